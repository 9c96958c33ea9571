import Shapes

/// `v1 Namespace`.
public struct Namespace: KubeObject {
    public static let kind = ObjectKind.namespaces
    public static let apiVersion = "v1"
    public static let isNamespaced = false
    public static var table: WritableKeyPath<ClusterObjects, [ObjectKey: Namespace]> { \.namespaces }
    /// The API server gives every namespace this label with its name.
    public static let nameLabel = "kubernetes.io/metadata.name"

    public var metadata = ObjectMeta()

    public init() {}
    public init(metadata: ObjectMeta) { self.metadata = metadata }

    public static var about: StructDescription {
        StructDescription("Namespace", "A namespace; those that workloads name are there without it.")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("metadata", &metadata, "Object metadata.")
        visitor.accepted(["spec"])
    }
}
