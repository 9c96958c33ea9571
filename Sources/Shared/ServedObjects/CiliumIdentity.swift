public import JSON

/// `cilium.io/v2 CiliumIdentity`: a number and the set of security labels that it stands for. The name is the number.
public struct CiliumIdentity: Sendable, Hashable {
    public static let apiVersion = "cilium.io/v2"
    public static let kind = "CiliumIdentity"

    public var metadata: ObjectHead
    public var number: UInt32
    /// The labels in canonical order: `k8s:app=web`, …
    public var labels: [String]

    public init(number: UInt32, labels: [String]) {
        self.number = number
        self.labels = labels
        metadata = ObjectHead(name: "\(number)", labels: Self.shownLabels(labels))
    }

    /// - Throws: `JSONText.Mistake`, `ServedObjectError` for a name that is no number of a set of labels, and for
    ///   labels that are no texts.
    public init(_ octets: [UInt8]) throws { try self.init(try JSONText.value(of: octets)) }

    public init(_ object: JSONValue) throws(ServedObjectError) {
        metadata = try ObjectHead(object)
        guard let number = UInt32(metadata.name), "\(number)" == metadata.name, IdentityNumber.range.contains(number)
        else {
            throw ServedObjectError(field: "metadata.name", problem: "no identity's number: \(metadata.name)")
        }
        self.number = number
        guard let members = object["security-labels"]?.members else {
            throw ServedObjectError(field: "security-labels", problem: "is missing")
        }
        var labels: [String] = []
        for (name, value) in members {
            guard let value = value.text else {
                throw ServedObjectError(field: "security-labels.\(name)", problem: "is no text")
            }
            labels.append("\(name)=\(value)")
        }
        self.labels = Self.ordered(labels)
    }

    public var json: JSONValue {
        var members: [String: JSONValue] = [:]
        for label in labels {
            let (name, value) = Self.parts(of: label)
            members[name] = .string(value)
        }
        return .object([
            "apiVersion": .string(Self.apiVersion), "kind": .string(Self.kind), "metadata": metadata.json,
            "security-labels": .object(members),
        ])
    }

    /// The order in which labels are hashed and compared.
    static func ordered(_ labels: [String]) -> [String] {
        labels.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func parts(of label: String) -> (name: String, value: String) {
        guard let equals = label.firstIndex(of: "=") else { return (label, "") }
        return (String(label[..<equals]), String(label[label.index(after: equals)...]))
    }

    /// The labels that the object itself has, so that it can be selected: those of the pod and its namespace's name, as
    /// the upstream has them.
    private static func shownLabels(_ labels: [String]) -> [String: String] {
        var shown: [String: String] = [:]
        for label in labels where label.hasPrefix("k8s:") && !label.hasPrefix("k8s:io.cilium.k8s.namespace.labels.") {
            let (name, value) = parts(of: String(label.dropFirst(4)))
            shown[name] = value
        }
        return shown
    }
}
