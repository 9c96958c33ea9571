import JSON

/// The ranges that a `CiliumNode` says a node's pods have. It has the node's name.
struct NodeRanges: Sendable, Hashable {
    let name: ObjectName
    var podCIDRs: [String] = []

    /// - Throws: `UnreadableObject`.
    init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        podCIDRs = try object.at("spec", "ipam").map { try $0.texts("podCIDRs") } ?? []
    }
}
