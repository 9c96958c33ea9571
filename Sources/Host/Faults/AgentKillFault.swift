import Lab
import NodeLink
import NodeProtocol
import Scenario
import Synchronization

/// Kills the datapath agent in the node. With `restart` the agent is started again at once, as a DaemonSet would.
final class AgentKillFault: Fault {
    private static let signal = FaultParameter.integer("signal", 1...31, help: "signal number, 9 when not given")
    private static let restart = FaultParameter.flag(
        "restart", help: "start it again at once (default: only when healed)")

    static let descriptor = FaultDescriptor(
        kind: "agent-kill", summary: "kill the datapath agent of {nodes}",
        parameters: [FaultParameter.nodes(required: true, help: "nodes whose agent is killed"), signal, restart],
        check: { check in
            if check.profile?.installation.kind == .daemonSet, check.call[restart] != true {
                check.report(
                    at: restart.name, message: "the agent is a DaemonSet's pod, whose kubelet starts it again",
                    expected: "\"restart: true\", or a lab with \"datapath: {install: process}\"")
            }
            guard let number = check.call[signal], let name = stopSignals[number] else { return }
            check.report(
                at: signal.name, message: "signal \(number) (\(name)) stops a process and does not end it",
                expected: "a signal that ends a process, such as 9 (SIGKILL) or 15 (SIGTERM)")
        },
        claims: { $0.claims(.agent, among: $1) })

    /// The signals whose default action is to stop a process, with their numbers on x86 and Arm: signal(7).
    private static let stopSignals = [19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU"]

    private let nodes: [ClusterNode]
    private let signal: Int32
    private let restart: Bool
    private let isAgentInPod: Bool
    private let before = Mutex<[String: Int]>([:])
    private let ended = Mutex<[String: String]>([:])

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        signal = Int32(call[Self.signal] ?? 9)
        restart = call[Self.restart] ?? false
        isAgentInPod = cluster.isAgentInPod
    }

    var targets: [String] { nodes.map { "\($0.name) agent" } }
    var disturbsAgents: [String] { nodes.map(\.name) }

    func inject() async throws {
        for node in nodes {
            let starts = await node.state.agent?.starts ?? 0
            before.withLock { $0[node.name] = starts }
            do {
                if case .agent(let state) = try await node.operate(.endAgent(signal: signal), within: .seconds(15)),
                    let how = state.ended
                {
                    ended.withLock { $0[node.name] = how }
                }
            } catch let error as NodeLinkError where error.failureCode == "timeout" {
                // The agent lives on. The oracle will say so; it is no failure of the lab.
                continue
            }
            if restart, !isAgentInPod { try await node.startAgent() }
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
        // A kubelet starts its containers again without being asked.
        guard !isAgentInPod else { return }
        for node in nodes where await node.state.agent?.running != true { try await node.startAgent() }
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

/// The part of an agent's status that every agent has.
private struct AgentReadiness: Codable, Sendable { let ready: Bool }
