import Shapes

/// The kinds of objects that a datapath agent follows, by the names of their API resources.
public enum ObjectKind: String, FieldWord {
    case nodes, namespaces, pods, services
    case endpointSlices = "endpointslices"
    case networkPolicies = "networkpolicies"
    case ciliumNetworkPolicies = "ciliumnetworkpolicies"

    /// The type of the kind's objects.
    public var type: any KubeObject.Type {
        switch self {
        case .nodes: Node.self
        case .namespaces: Namespace.self
        case .pods: Pod.self
        case .services: Service.self
        case .endpointSlices: EndpointSlice.self
        case .networkPolicies: NetworkPolicy.self
        case .ciliumNetworkPolicies: CiliumNetworkPolicy.self
        }
    }

    /// The `kind` of a manifest: `Service`.
    public var manifestKind: String { type.manifestKind }

    /// Whether the kind's objects lie in namespaces.
    public var isNamespaced: Bool { type.isNamespaced }
}

/// An object in the shape that the Kubernetes API gives it. Its `visitFields` begins with `metadata`.
public protocol KubeObject: FieldStruct {
    static var kind: ObjectKind { get }
    /// The `apiVersion` of a manifest.
    static var apiVersion: String { get }
    /// The `kind` of a manifest.
    static var manifestKind: String { get }
    /// Whether such objects lie in namespaces.
    static var isNamespaced: Bool { get }
    /// Where the objects of a cluster are kept.
    static var table: WritableKeyPath<ClusterObjects, [ObjectKey: Self]> { get }
    var metadata: ObjectMeta { get set }
    /// Reads an object from JSON. It is a requirement so that it is compiled for each kind here, and callers in other
    /// modules need not do it in the general way.
    static func read(_ reader: inout JSONReader) throws(UnreadableValue) -> Self
}

extension KubeObject {
    public static var manifestKind: String { about.name }
    public static var isNamespaced: Bool { true }
    public static var header: [Field] { manifestHeader(apiVersion: apiVersion, kind: manifestKind) }
    @inline(__always)
    public static func read(_ reader: inout JSONReader) throws(UnreadableValue) -> Self { try read(from: &reader) }

    public var key: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }

    func isEqual(to other: any KubeObject) -> Bool { other as? Self == self }
}

/// The first fields of every manifest.
func manifestHeader(apiVersion: String, kind: String) -> [Field] {
    [
        Field("apiVersion", .text(), required: true, constant: apiVersion, "API version."),
        Field("kind", .text(), required: true, constant: kind, "Kind."),
    ]
}

/// What names an object among those of its kind.
public struct ObjectKey: FieldStruct, Comparable, CustomStringConvertible {
    /// Empty for nodes and namespaces.
    public private(set) var namespace = ""
    public private(set) var name = ""

    public init() {}
    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    public static var about: StructDescription { StructDescription("object's key", "Namespace and name of an object.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("namespace", &namespace, "Namespace; empty for nodes and namespaces.")
        try visitor.required("name", &name, "Name.")
    }

    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
    public static func < (one: ObjectKey, other: ObjectKey) -> Bool {
        (one.namespace, one.name) < (other.namespace, other.name)
    }
}

/// `metav1.ObjectMeta`.
public struct ObjectMeta: FieldStruct {
    public var name = ""
    /// Empty for objects without a namespace.
    public var namespace = ""
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    public var uid: String?
    /// When the deletion of the object began (RFC 3339); nil unless it is being deleted.
    public var deletionTimestamp: String?

    public init() {}
    public init(
        name: String, namespace: String = "", labels: [String: String] = [:], annotations: [String: String] = [:],
        uid: String? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.annotations = annotations
        self.uid = uid
    }

    public static var about: StructDescription { StructDescription("metadata", "Object metadata.") }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.required("name", &name, as: .text(.dnsLabel), "Name.")
        try visitor.field("namespace", &namespace, as: .text(.dnsLabel), "Namespace; default.")
        try visitor.field("labels", &labels, "Labels.")
        try visitor.field("annotations", &annotations, "Accepted.")
        try visitor.serverOnly("uid", &uid)
        try visitor.serverOnly("deletionTimestamp", &deletionTimestamp)
    }
}
