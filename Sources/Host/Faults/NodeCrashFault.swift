import Lab
import Scenario
import Synchronization

/// Cuts a node's power. Healing boots the node again and makes its pods anew.
final class NodeCrashFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "node-crash", summary: "cut the power of {nodes}",
        parameters: [FaultParameter.nodes(required: true, help: "nodes that lose power")],
        claims: { $0.claims(.power, among: $1) })

    private let nodes: [ClusterNode]
    private let cluster: Cluster
    private let bootsBefore = Mutex<[String: Int]>([:])

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        self.cluster = cluster
    }

    var targets: [String] { nodes.map(\.name) }
    var disturbs: [String] { targets }

    func inject() async throws {
        for node in nodes {
            let boots = await node.state.boots
            bootsBefore.withLock { $0[node.name] = boots }
            try await node.machine.stop()
        }
    }

    func effect() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let power = try await node.machine.power()
            // The hypervisor's own event must have arrived too, or it could be taken for the next boot's.
            let known = await node.state.power
            holds = holds && power == .stopped && known == .stopped
            lines.append("the hypervisor reports \(node.name) as \(power.rawValue)")
        }
        return Proof(holds, lines)
    }

    func heal() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes {
                group.addTask { try await self.cluster.restart(node, within: .seconds(60)) }
            }
            try await group.waitForAll()
        }
    }

    func gone() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let state = await node.state
            let before = bootsBefore.withLock { $0[node.name] ?? 0 }
            holds = holds && state.isReady && state.boots > before
            lines.append("\(node.name) is \(state.description) after boot \(state.boots)")
        }
        return Proof(holds, lines)
    }
}
