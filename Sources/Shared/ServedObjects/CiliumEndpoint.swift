public import JSON

/// `cilium.io/v2 CiliumEndpoint`: a pod's endpoint as its node's agent tells of it. It has the pod's name.
public struct CiliumEndpoint: Sendable, Hashable {
    public static let apiVersion = "cilium.io/v2"
    public static let kind = "CiliumEndpoint"
    /// More addresses and labels are not read.
    static let mostAddresses = 16
    static let mostLabels = 512

    public var metadata: ObjectHead
    /// The endpoint's number on its node.
    public var id: Int64
    /// 0 if none is said.
    public var identity: UInt32
    /// The labels that the identity stands for, in canonical order.
    public var labels: [String]
    /// Dotted addresses of the pod.
    public var addresses: [String]
    /// The dotted address of its node; empty if none is said.
    public var node: String
    public var state: String

    public init(
        metadata: ObjectHead, id: Int64, identity: UInt32, labels: [String], addresses: [String], node: String,
        state: String = "ready"
    ) {
        self.metadata = metadata
        self.id = id
        self.identity = identity
        self.labels = labels
        self.addresses = addresses
        self.node = node
        self.state = state
    }

    /// What is not said is empty: an endpoint exists before it has an identity.
    ///
    /// - Throws: `JSONText.Mistake`, `ServedObjectError`.
    public init(_ octets: [UInt8]) throws { try self.init(try JSONText.value(of: octets)) }

    public init(_ object: JSONValue) throws(ServedObjectError) {
        metadata = try ObjectHead(object)
        let status = object["status"]
        id = status?["id"]?.integerValue ?? 0
        identity = status?["identity"]?["id"]?.integerValue.flatMap { UInt32(exactly: $0) } ?? 0
        let labels = status?["identity"]?["labels"]?.elements?.compactMap(\.text) ?? []
        guard labels.count <= Self.mostLabels else {
            throw ServedObjectError(field: "status.identity.labels", problem: "\(labels.count) labels")
        }
        self.labels = CiliumIdentity.ordered(labels)
        let networking = status?["networking"]
        let addresses = networking?["addressing"]?.elements?.compactMap { $0["ipv4"]?.text } ?? []
        guard addresses.count <= Self.mostAddresses else {
            throw ServedObjectError(field: "status.networking.addressing", problem: "\(addresses.count) addresses")
        }
        self.addresses = addresses
        node = networking?["node"]?.text ?? ""
        state = status?["state"]?.text ?? ""
    }

    public var json: JSONValue {
        .object([
            "apiVersion": .string(Self.apiVersion), "kind": .string(Self.kind), "metadata": metadata.json,
            "status": status,
        ])
    }

    /// `status` as a client writes it.
    public var status: JSONValue {
        .object([
            "id": .integer(id), "state": .string(state),
            "encryption": .object(["key": .integer(0)]),
            "identity": .object([
                "id": .integer(Int64(identity)), "labels": .array(labels.map { .string($0) }),
            ]),
            "networking": .object([
                "addressing": .array(addresses.map { .object(["ipv4": .string($0)]) }), "node": .string(node),
            ]),
        ])
    }
}
