import Lab
import Scenario

/// Pulls a node's cable: its underlay NIC loses the carrier, and the port at the other end passes nothing.
struct LinkDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "link-down", summary: "take the carrier off the underlay NIC of {nodes}",
        parameters: [FaultParameter.nodes(required: true, help: "nodes whose NIC loses its carrier")],
        claims: { $0.claims(.carrier, among: $1) })

    private let nodes: [ClusterNode]
    private let cluster: Cluster

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        self.cluster = cluster
    }

    var targets: [String] { nodes.map { "\($0.name) eth0" } }

    func inject() async throws {
        try await plug(up: false)
    }

    func effect() async throws -> Proof { try await carrier(is: false) }

    func heal() async throws {
        try await plug(up: true)
    }

    private func plug(up: Bool) async throws {
        for node in nodes {
            try await cluster.fabric.setLink(node.plan.interfaceID, up: up)
            try await node.machine.setLink(up: up)
        }
    }

    func gone() async throws -> Proof { try await carrier(is: true) }

    /// Asks each node over its channel whether its NIC sees a carrier.
    private func carrier(is wanted: Bool) async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let carrier = await node.underlayCarrier()
            holds = holds && carrier == wanted
            lines.append(
                "\(node.name) sees \(carrier.map { $0 ? "a carrier" : "no carrier" } ?? "nothing (not asked)") on eth0")
        }
        return Proof(holds, lines)
    }
}
