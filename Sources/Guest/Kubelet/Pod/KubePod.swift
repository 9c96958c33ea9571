import JSON

/// A `v1 Pod` as the node acts on it.
public struct KubePod: Sendable, Equatable {
    /// The object as it was read, whole.
    public let object: JSONValue
    public let identity: PodIdentity

    /// - Throws: ``UnreadablePod``
    public init(_ object: JSONValue) throws(UnreadablePod) {
        guard let name = object["metadata"]?["name"]?.text, !name.isEmpty,
            let namespace = object["metadata"]?["namespace"]?.text, let uid = object["metadata"]?["uid"]?.text
        else { throw UnreadablePod(path: "metadata", problem: "no name, namespace or uid") }
        self.object = object
        identity = PodIdentity(namespace: namespace, name: name, uid: uid)
    }
}

/// Makes a reflector of pods possible. A JSON value that has been read already goes to the other initializer.
extension KubePod: Decodable {
    public init(from decoder: any Decoder) throws { self = try KubePod(JSONValue(from: decoder)) }
}

/// Why an object is no pod that a node can act on.
public struct UnreadablePod: Error, Sendable, Hashable, CustomStringConvertible {
    public var path: String
    public var problem: String
    public var description: String { "\(path): \(problem)" }
}
