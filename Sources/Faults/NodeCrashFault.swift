import Lab
import Scenario

/// A node loses power. Healing boots it again; its pods are made anew.
struct NodeCrashFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "node-crash", summary: "cut the power of {nodes}",
        parameters: [.init("nodes", .nodes, required: true, help: "nodes that lose power")])

    private let nodes: [ClusterNode]
    private let cluster: Cluster

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        self.cluster = cluster
    }

    var targets: [String] { nodes.map(\.name) }
    var claims: Set<String> { Set(targets.map { "\($0) power" }) }
    var disturbs: [String] { targets }

    func inject() async throws {
        for node in nodes { try await node.machine.stop() }
    }

    func effect() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let power = try await node.machine.power()
            holds = holds && power == .stopped
            lines.append("the hypervisor reports \(node.name) as \(power.rawValue)")
        }
        return Proof(holds, lines)
    }

    func heal() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes {
                group.addTask { try await cluster.restart(node, within: .seconds(60)) }
            }
            try await group.waitForAll()
        }
    }

    func gone() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let state = await node.state
            holds = holds && state.isReady && state.boots > 1
            lines.append("\(node.name) is \(state.description) after boot \(state.boots)")
        }
        return Proof(holds, lines)
    }
}
