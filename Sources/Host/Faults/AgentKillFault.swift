import Lab
import NodeLink
import NodeProtocol
import Scenario
import Synchronization

/// The datapath agent is killed in the node. With `restart` it is started again at once, as a DaemonSet would.
final class AgentKillFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "agent-kill", summary: "kill the datapath agent of {nodes}",
        parameters: [
            .init("nodes", .nodes, required: true, help: "nodes whose agent is killed"),
            .init("signal", .integer(1...31), help: "signal number, 9 when not given"),
            .init("restart", .flag, help: "start it again at once (default: only when healed)"),
        ])

    private let nodes: [ClusterNode]
    private let signal: Int32
    private let restart: Bool
    private let before = Mutex<[String: Int]>([:])
    private let ended = Mutex<[String: String]>([:])

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        if case .integer(let value)? = call.parameters["signal"] { signal = Int32(value) } else { signal = 9 }
        restart = call.flag("restart", default: false)
    }

    var targets: [String] { nodes.map { "\($0.name) agent" } }
    var claims: Set<String> { Set(targets) }
    var disturbsAgents: [String] { nodes.map(\.name) }

    func inject() async throws {
        for node in nodes {
            let starts = await node.state.agent?.starts ?? 0
            before.withLock { $0[node.name] = starts }
            do {
                if case .agent(let state) = try await node.call(
                    .stopAgent(signal: signal), within: .seconds(15)), let how = state.ended
                {
                    ended.withLock { $0[node.name] = how }
                }
            } catch let error as NodeLinkError where error.failureCode == "timeout" {
                // It lives on: that is for the oracle to say, and no failure of the lab.
                continue
            }
            if restart { try await node.call(.startAgent) }
        }
    }

    func effect() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let how = ended.withLock { $0[node.name] }
            holds = holds && how != nil
            lines.append("the node runtime of \(node.name) reaped the agent: \(how ?? "it did not end")")
            if !restart {
                let running = await node.state.agent?.running ?? false
                holds = holds && !running
                lines.append("the agent of \(node.name) is \(running ? "running" : "not running")")
            }
        }
        return Proof(holds, lines)
    }

    func heal() async throws {
        for node in nodes where await node.state.agent?.running != true { try await node.call(.startAgent) }
    }

    func gone() async throws -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let state = await node.state
            let first = before.withLock { $0[node.name] ?? 0 }
            let wasEnded = ended.withLock { $0[node.name] != nil }
            let again = state.isReady && (!wasEnded || (state.agent?.starts ?? 0) > first)
            let answers = again ? try? await node.agent(.status, as: AgentReadiness.self) : nil
            holds = holds && again && answers?.ready == true
            lines.append("\(node.name) is \(state.description), agent start \(state.agent?.starts ?? 0)")
        }
        return Proof(holds, lines)
    }
}

/// The part of an agent's status that any agent has.
private struct AgentReadiness: Codable, Sendable { let ready: Bool }
