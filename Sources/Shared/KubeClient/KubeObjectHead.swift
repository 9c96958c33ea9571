public import JSON

/// What names an object, and its version, read from its JSON text without reading the rest.
public struct KubeObjectHead: Sendable, Hashable {
    /// Empty for objects of a list of a type of Kubernetes' own.
    public var apiVersion = ""
    public var kind = ""
    /// Empty for objects without a namespace.
    public var namespace = ""
    public var name = ""
    public var uid = ""
    public var resourceVersion = ""

    public init() {}

    /// - Throws: `JSONText.Mistake` if the text is not JSON. Members of other types than they should be are as if they
    ///   were missing.
    public init(of octets: some Collection<UInt8>) throws(JSONText.Mistake) {
        self = try JSONText.read(octets) { cursor throws(JSONText.Mistake) in
            var head = KubeObjectHead()
            guard try cursor.isAtObject() else {
                try cursor.skip()
                return head
            }
            try cursor.object { key, cursor throws(JSONText.Mistake) in
                switch key {
                case "apiVersion": head.apiVersion = try cursor.stringIfAny() ?? ""
                case "kind": head.kind = try cursor.stringIfAny() ?? ""
                case "metadata" where try cursor.isAtObject():
                    try cursor.object { key, cursor throws(JSONText.Mistake) in
                        switch key {
                        case "namespace": head.namespace = try cursor.stringIfAny() ?? ""
                        case "name": head.name = try cursor.stringIfAny() ?? ""
                        case "uid": head.uid = try cursor.stringIfAny() ?? ""
                        case "resourceVersion": head.resourceVersion = try cursor.stringIfAny() ?? ""
                        default: try cursor.skip()
                        }
                    }
                default: try cursor.skip()
                }
            }
            return head
        }
    }
}
