import NodeProtocol
import Testing

@testable import Lab

/// A machine that runs from the start until its power is cut, and that nothing is plugged into.
private struct RunningMachine: NodeMachine {
    let channelPath: String
    var consolePath: String { "" }
    func moveConsole(to path: String) {}
    let powerEvents: AsyncStream<PowerEvent>
    private let cut: AsyncStream<PowerEvent>.Continuation

    init(channelPath: String) {
        self.channelPath = channelPath
        (powerEvents, cut) = AsyncStream.makeStream()
    }

    func start() async throws {}
    func stop() async throws { cut.yield(PowerEvent(power: .stopped, reason: "power was cut")) }
    func pause() async throws {}
    func resume() async throws {}
    func setLink(up: Bool) async throws {}
    func attachInterface(tap: String, mac: String) async throws {}
    func detachInterface(mac: String) async throws {}
    func power() async throws -> NodeState.Power { .running }
}

@Suite struct ClusterNodeTests {
    private static func agent(_ start: Int, ended: String? = nil) -> AgentState {
        AgentState(running: ended == nil, pid: ended == nil ? 7 : nil, ended: ended, lastLines: [], starts: start)
    }

    private func booted(_ node: FakeNode) async throws -> ClusterNode {
        let plan = LabPlan.Node(
            name: "node1", address: "10.0.0.11", mac: "02:00:00:00:00:01", tap: "tap1", interfaceID: "eni-1",
            podCIDR: "192.168.1.0/24")
        let cluster = ClusterNode(plan: plan, machine: RunningMachine(channelPath: node.path)) { _, _ in }
        try await cluster.boot(within: .seconds(20))
        return cluster
    }

    /// Events are not in order with replies: the end of the agent before may come after the reply to the next start.
    @Test func theEndOfTheAgentBeforeDoesNotCount() async throws {
        let node = FakeNode { connection in
            connection.serve(boot: "a") { frame, request in
                guard case .startAgent = request else { return }
                connection.send(try? .reply(.agent(Self.agent(2)), session: frame.session, id: frame.request))
                for event: NodeEvent in [
                    .network(conflist: "/etc/cni/net.d/05-labrun.conflist"), .agent(Self.agent(1)),
                    .agent(Self.agent(1, ended: "exit 0")), .agent(Self.agent(2)),
                ] {
                    connection.send(try? .event(event, session: frame.session))
                }
            }
        }
        let cluster = try await booted(node)
        let start = try await cluster.startAgent(within: .seconds(20))
        #expect(start == 2)
        try await cluster.wait(for: "ready", within: .seconds(20)) { $0.isReady }
        #expect(await cluster.state.agent?.starts == 2)
        await cluster.close()
    }

    /// A node that is off has no agent, whichever start was asked for last.
    @Test func aNodeThatRanAnAgentIsSeenToStop() async throws {
        let node = FakeNode { connection in
            connection.serve(boot: "a") { frame, request in
                guard case .startAgent = request else { return }
                connection.send(try? .reply(.agent(Self.agent(1)), session: frame.session, id: frame.request))
                connection.send(try? .event(.agent(Self.agent(1)), session: frame.session))
            }
        }
        let cluster = try await booted(node)
        try await cluster.startAgent(within: .seconds(20))
        try await cluster.wait(for: "with an agent", within: .seconds(20)) { $0.agent != nil }
        try await cluster.machine.stop()
        try await cluster.wait(for: "stopped", within: .seconds(20)) { $0.power == .stopped }
        #expect(await cluster.state.agent == nil)
        await cluster.close()
    }

    @Test func anAgentThatEndsIsNotWaitedFor() async throws {
        let node = FakeNode { connection in
            connection.serve(boot: "a") { frame, request in
                guard case .startAgent = request else { return }
                connection.send(try? .reply(.agent(Self.agent(2)), session: frame.session, id: frame.request))
                for event: NodeEvent in [.agent(Self.agent(2)), .agent(Self.agent(2, ended: "exit 3"))] {
                    connection.send(try? .event(event, session: frame.session))
                }
            }
        }
        let cluster = try await booted(node)
        try await cluster.startAgent(within: .seconds(20))
        let error = await #expect(throws: LabError.self) {
            try await cluster.wait(for: "ready", within: .seconds(60)) { $0.isReady }
        }
        #expect(error?.description.contains("node1 failed before it was ready: running, agent ended: exit 3") == true)
        await cluster.close()
    }
}
