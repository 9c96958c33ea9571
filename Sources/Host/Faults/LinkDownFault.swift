import Lab
import Scenario

/// A node's cable is pulled: its underlay NIC loses its carrier, and the port at the other end passes nothing.
struct LinkDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "link-down", summary: "take the carrier off the underlay NIC of {nodes}",
        parameters: [.init("nodes", .nodes, required: true, help: "nodes whose NIC loses its carrier")])

    private let nodes: [ClusterNode]
    private let cluster: Cluster

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        self.cluster = cluster
    }

    var targets: [String] { nodes.map { "\($0.name) eth0" } }
    var claims: Set<String> { Set(targets.map { "\($0) carrier" }) }

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

    /// The node's own reading, over its channel.
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
