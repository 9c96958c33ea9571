/// The kinds of objects that a datapath agent follows, by the names of their API resources.
public enum ObjectKind: String, Codable, Sendable, Hashable, CaseIterable {
    case nodes, namespaces, pods, services
    case endpointSlices = "endpointslices"
    case networkPolicies = "networkpolicies"
    case ciliumNetworkPolicies = "ciliumnetworkpolicies"
}

/// An object in the shape that the Kubernetes API gives it. Fields that are not declared here are kept out.
public protocol KubeObject: Codable, Sendable, Hashable {
    static var kind: ObjectKind { get }
    var metadata: ObjectMeta { get set }
    /// Reads one without `Codable`, with the same result; what that cannot take is left to `JSONDecoder`.
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Self
}

extension KubeObject {
    public var key: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }
}

/// What names an object among those of its kind. `namespace` is empty for nodes and namespaces.
public struct ObjectKey: Codable, Sendable, Hashable, Comparable, CustomStringConvertible {
    public let namespace: String
    public let name: String
    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }
    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
    public static func < (one: ObjectKey, other: ObjectKey) -> Bool {
        (one.namespace, one.name) < (other.namespace, other.name)
    }
}

/// `metav1.ObjectMeta`.
public struct ObjectMeta: Codable, Sendable, Hashable {
    public var name: String
    /// Empty for objects without a namespace.
    public var namespace: String
    @OrEmpty public var labels: [String: String]
    @OrEmpty public var annotations: [String: String]
    public var uid: String?
    /// Set while the object is being deleted; RFC 3339.
    public var deletionTimestamp: String?

    public init(
        name: String, namespace: String = "", labels: [String: String] = [:], annotations: [String: String] = [:],
        uid: String? = nil
    ) {
        self.name = name
        self.namespace = namespace
        _labels = OrEmpty(wrappedValue: labels)
        _annotations = OrEmpty(wrappedValue: annotations)
        self.uid = uid
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        name = try fields.decode(String.self, forKey: .name)
        namespace = try fields.read(.namespace, or: "")
        _labels = try fields.decode(OrEmpty<[String: String]>.self, forKey: .labels)
        _annotations = try fields.decode(OrEmpty<[String: String]>.self, forKey: .annotations)
        uid = try fields.decodeIfPresent(String.self, forKey: .uid)
        deletionTimestamp = try fields.decodeIfPresent(String.self, forKey: .deletionTimestamp)
    }
}
