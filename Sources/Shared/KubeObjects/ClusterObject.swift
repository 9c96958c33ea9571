/// An object of any kind, as a manifest gives it.
public struct ClusterObject: Codable, Sendable, Hashable {
    public var object: any KubeObject

    public init(_ object: any KubeObject) { self.object = object }

    public var kind: ObjectKind { type(of: object).kind }
    public var key: ObjectKey { object.key }

    private enum CodingKeys: String, CodingKey { case kind, object }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try fields.decode(ObjectKind.self, forKey: .kind)
        object = try kind.type.init(from: fields.superDecoder(forKey: .object))
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(kind, forKey: .kind)
        try fields.encode(object, forKey: .object)
    }

    public static func == (one: ClusterObject, other: ClusterObject) -> Bool { one.object.isEqual(to: other.object) }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        hasher.combine(key)
    }
}
