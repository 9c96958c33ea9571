import Lab
import Scenario

/// A node's underlay NIC loses its carrier, as when a cable is pulled.
struct LinkDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "link-down", summary: "take the carrier off the underlay NIC of {nodes}",
        parameters: [.init("nodes", .nodes, required: true, help: "nodes whose NIC loses its carrier")])

    private let nodes: [ClusterNode]

    init(_ call: FaultCall, in cluster: Cluster) throws { nodes = try call.nodes(in: cluster) }

    var targets: [String] { nodes.map { "\($0.name) eth0" } }
    var claims: Set<String> { Set(targets.map { "\($0) carrier" }) }

    func inject() async throws {
        for node in nodes { try await node.machine.setLink(up: false) }
    }

    func effect() async throws -> Proof { try await carrier(is: false) }

    func heal() async throws {
        for node in nodes { try await node.machine.setLink(up: true) }
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
