import Lab
import Scenario

/// Stops a node's processors at the hypervisor. The node keeps its memory and its connections.
struct NodePauseFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "node-pause", summary: "pause {nodes} at the hypervisor",
        parameters: [FaultParameter.nodes(required: true, help: "nodes that stand still")],
        claims: { $0.claims(.power, among: $1) })

    private let nodes: [ClusterNode]

    init(_ call: FaultCall, in cluster: Cluster) throws { nodes = try call.nodes(in: cluster) }

    var targets: [String] { nodes.map(\.name) }
    var disturbs: [String] { targets }

    func inject() async throws {
        for node in nodes { try await node.machine.pause() }
    }

    func effect() async throws -> Proof { try await power(is: .paused) }

    func heal() async throws {
        for node in nodes { try await node.machine.resume() }
    }

    func gone() async throws -> Proof {
        let proof = try await power(is: .running)
        guard proof.holds else { return proof }
        for node in nodes { try await node.call(.snapshot) }
        return Proof(true, proof.evidence + ["\(targets.joined(separator: ", ")) answer out of band"])
    }

    private func power(is wanted: NodeState.Power) async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let power = try await node.machine.power()
            holds = holds && power == wanted
            lines.append("the hypervisor reports \(node.name) as \(power.rawValue)")
        }
        return Proof(holds, lines)
    }
}
