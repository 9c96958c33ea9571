public import JSON

/// What the metadata of an object says, as far as those who keep custom resources need it.
public struct ObjectHead: Sendable, Hashable {
    public var name: String
    /// Empty for objects without a namespace.
    public var namespace: String
    public var uid: String
    public var resourceVersion: String
    public var labels: [String: String]
    public var owner: OwnerReference?

    public init(
        name: String, namespace: String = "", uid: String = "", resourceVersion: String = "",
        labels: [String: String] = [:], owner: OwnerReference? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.labels = labels
        self.owner = owner
    }

    /// - Throws: `ServedObjectError` if there is no name.
    init(_ object: JSONValue) throws(ServedObjectError) {
        guard let metadata = object["metadata"], let name = metadata["name"]?.text, !name.isEmpty else {
            throw ServedObjectError(field: "metadata.name", problem: "is missing")
        }
        self.name = name
        namespace = metadata["namespace"]?.text ?? ""
        uid = metadata["uid"]?.text ?? ""
        resourceVersion = metadata["resourceVersion"]?.text ?? ""
        labels = metadata["labels"]?.members?.compactMapValues(\.text) ?? [:]
        owner = metadata["ownerReferences"]?.elements?.lazy.compactMap { OwnerReference($0) }.first
    }

    /// What a client writes. The server adds the rest.
    var json: JSONValue {
        var metadata: [String: JSONValue] = ["name": .string(name)]
        if !namespace.isEmpty { metadata["namespace"] = .string(namespace) }
        if !labels.isEmpty { metadata["labels"] = .object(labels.mapValues { .string($0) }) }
        if let owner { metadata["ownerReferences"] = .array([owner.json]) }
        if !resourceVersion.isEmpty { metadata["resourceVersion"] = .string(resourceVersion) }
        return .object(metadata)
    }
}

/// `metav1.OwnerReference`: with the owner the object goes, too.
public struct OwnerReference: Sendable, Hashable {
    public var apiVersion: String
    public var kind: String
    public var name: String
    public var uid: String

    public init(apiVersion: String = "v1", kind: String, name: String, uid: String) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
    }

    init?(_ value: JSONValue) {
        guard let kind = value["kind"]?.text, let name = value["name"]?.text, let uid = value["uid"]?.text else {
            return nil
        }
        self.init(apiVersion: value["apiVersion"]?.text ?? "v1", kind: kind, name: name, uid: uid)
    }

    public var json: JSONValue {
        .object([
            "apiVersion": .string(apiVersion), "kind": .string(kind), "name": .string(name), "uid": .string(uid),
        ])
    }
}

/// Why a custom resource cannot be taken.
public struct ServedObjectError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `spec.addresses`
    public let field: String
    public let problem: String

    public init(field: String, problem: String) {
        self.field = field
        self.problem = problem
    }

    public var description: String { "\(field): \(problem)" }
}
