import AgentAPI
import Foundation
import NodeLink
import NodeProtocol
import Synchronization

/// One node of a running cluster: its machine, its channel, and what is known of its state.
public final class ClusterNode: Sendable {
    public let plan: LabPlan.Node
    public let machine: any NodeMachine
    private let observed = Observed(NodeState())
    private let link: Observed<NodeLink?> = Observed(nil)
    private let report: @Sendable (ClusterNode, NodeNotice) -> Void
    private let watcher: Observed<[Task<Void, Never>]> = Observed([])
    /// The number of the last start of an agent that this boot's runtime was asked for and has replied to.
    private let lastStart = Mutex(0)

    public var name: String { plan.name }
    public var state: NodeState { get async { await observed.value } }

    init(
        plan: LabPlan.Node, machine: any NodeMachine, report: @escaping @Sendable (ClusterNode, NodeNotice) -> Void
    ) {
        self.plan = plan
        self.machine = machine
        self.report = report
        let power = Task { [weak self] in
            for await event in machine.powerEvents {
                guard let self else { return }
                await self.observed.update {
                    $0.power = event.power
                    $0.powerReason = event.reason
                    if event.power == .stopped {
                        // Its agent's starts are counted anew from the next boot on.
                        self.lastStart.withLock { $0 = 0 }
                        $0.runtime = nil
                        $0.conflist = nil
                        $0.agent = nil
                        $0.containers = [:]
                    }
                }
                self.report(self, .power(event))
            }
        }
        Task { [watcher] in await watcher.update { $0.append(power) } }
    }

    /// Powers the machine on and connects to its channel; returns when the runtime answers.
    func boot(within deadline: Duration) async throws {
        lastStart.withLock { $0 = 0 }
        try await machine.start()
        await observed.update { $0.power = .running }
        let fresh = NodeLink(node: name, path: machine.channelPath)
        let old = await link.value
        await link.update { $0 = fresh }
        old?.close()
        follow(fresh)
        let hello = try await withThrowingTaskGroup(of: HelloReply?.self) { group in
            group.addTask { try await fresh.ready(within: deadline) }
            group.addTask { [observed] in
                _ = await observed.wait(within: deadline) { $0.power == .stopped }
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let hello = first else {
                throw LabError(
                    .nodeFailed, "\(name) ended while it booted: \(await state.description)",
                    lastLines: consoleTail(20))
            }
            return hello
        }
        await observed.update {
            $0.runtime = hello
            $0.boots += 1
        }
        report(self, .runtime(hello))
    }

    /// The number of events of the present link that were dropped unread.
    var droppedEvents: Int {
        get async { await link.value?.droppedEvents ?? 0 }
    }

    private func follow(_ link: NodeLink) {
        let task = Task { [weak self] in
            for await event in link.events {
                guard let self else { return }
                await self.take(event)
            }
        }
        Task { [watcher] in await watcher.update { $0.append(task) } }
    }

    private func take(_ event: NodeEvent) async {
        switch event {
        case .started(let hello):
            if let known = await observed.value.runtime, known.bootID != hello.bootID {
                lastStart.withLock { $0 = 0 }
            }
            await observed.update {
                if let known = $0.runtime, known.bootID != hello.bootID { $0.boots += 1 }
                $0.runtime = hello
            }
        case .agent(let told):
            let agent = await observed.value.agent.map { told.named(after: $0, console: consoleTail(60)) } ?? told
            await observed.update { $0.agent = agent }
            report(self, .agent(agent))
        case .container(let container):
            await observed.update { $0.containers[container.key] = container }
            report(self, .container(container))
        case .network(let conflist):
            let was = await observed.value.isReady
            // Only the datapath's conflist makes a node ready, not the one of the cloud's own plugin.
            let isCloud = conflist?.hasSuffix("/" + NodeConfiguration.cloudConflistName) == true
            await observed.update { $0.conflist = isCloud ? nil : conflist }
            if !was, await observed.value.isReady { report(self, .ready) }
        case .log(let source, let line):
            await observed.update {
                guard source == "agent" else { return }
                $0.agentLines.append(line)
                if $0.agentLines.count > 50 { $0.agentLines.removeFirst($0.agentLines.count - 50) }
            }
            report(self, .log(source: source, line: line))
        }
    }

    /// Starts the node's agent.
    /// - Returns: The number of this start since the node booted, 1 for the first.
    @discardableResult
    public func startAgent(within deadline: Duration = .seconds(10)) async throws -> Int {
        guard case .agent(let agent) = try await call(.startAgent, within: deadline) else {
            throw LabError(.request, "\(name) answered something else than an agent's state to a start")
        }
        lastStart.withLock { $0 = agent.starts }
        return agent.starts
    }

    /// Waits for a state; on timeout the error names the last one seen. A node that powers off or whose agent ends
    /// does not reach it any more.
    ///
    /// - Parameters:
    ///   - start: The start of the agent that counts; if not given, the last one that was asked for. Events come after
    ///     the reply to a start, and the end of the agent before may be among them.
    ///   - returns: Whether an agent that ends is started again without being asked for, as a pod's is by its kubelet.
    func wait(
        for what: String, since start: Int? = nil, agentReturns returns: Bool = false, within deadline: Duration,
        until condition: @escaping @Sendable (NodeState) -> Bool
    ) async throws {
        let start = start ?? lastStart.withLock { $0 }
        // A node without an agent is in the state that it is in: one that is powered off has none.
        let reached: @Sendable (NodeState) -> Bool = { $0.agent.map { $0.starts >= start } != false && condition($0) }
        let met = await observed.wait(within: deadline) {
            reached($0) || $0.power == .stopped || (!returns && $0.agent?.hasEnded(since: start) == true)
        }
        let state = await observed.value
        if met, reached(state) { return }
        try Task.checkCancellation()
        let lines = state.agent?.running == false ? state.agentLines : consoleTail(20)
        let ended = met ? "\(name) failed before it was \(what)" : "\(name) was not \(what) within \(deadline)"
        throw LabError(.notReady, "\(ended): \(state.description)", lastLines: Array(lines.suffix(20)))
    }

    /// Sends a request to the node's runtime.
    @discardableResult
    public func call(_ request: NodeRequest, within deadline: Duration = .seconds(10)) async throws -> NodeReply {
        try await connection().call(request, deadline: deadline).reply
    }

    /// Has the node's runtime change or read something of the node.
    /// - Returns: What the node reads afterwards.
    /// - Throws: `NodeLinkError` when the node refused or did not answer; `LabError` when it was never booted.
    @discardableResult
    public func operate(
        _ operation: NodeOperation, within deadline: Duration = .seconds(10)
    ) async throws -> OperationReading {
        guard case .reading(let reading) = try await call(.operate(operation), within: deadline) else {
            throw LabError(.request, "\(name) answered something else than a reading to \(operation.name)")
        }
        return reading
    }

    func connection() async throws -> NodeLink {
        guard let link = await link.value else { throw LabError(.request, "\(name) was never booted") }
        return link
    }

    /// Sends a request to the node's agent, through the runtime.
    public func agent<Parameters: Codable & Sendable, Result: Codable & Sendable>(
        _ method: AgentMethod, _ parameters: Parameters, as type: Result.Type = Result.self,
        within deadline: Duration = .seconds(5)
    ) async throws -> Result {
        let body = try JSONEncoder().encode(AgentRequest(method, parameters))
        let call = AgentCall(
            line: String(decoding: body, as: UTF8.self),
            deadlineMillis: Int(deadline.components.seconds * 1000)
                + Int(deadline.components.attoseconds / 1_000_000_000_000_000))
        let answer = try await connection().call(.agentCall(call), deadline: deadline + .seconds(2))
        guard case .agentReply = answer.reply else {
            throw LabError(.request, "\(name): agent did not answer \(method.rawValue)")
        }
        let reply = try JSONDecoder().decode(AgentReply<Result>.self, from: Data(answer.blob))
        if let error = reply.error { throw LabError(.agentFailed, "\(name): agent: \(error)") }
        guard let result = reply.result else {
            throw LabError(.agentFailed, "\(name): agent answered \(method.rawValue) without a result")
        }
        return result
    }

    public func agent<Result: Codable & Sendable>(
        _ method: AgentMethod, as type: Result.Type = Result.self, within deadline: Duration = .seconds(5)
    ) async throws -> Result {
        try await agent(method, Acknowledgement(), as: type, within: deadline)
    }

    /// The last lines of the serial console, oldest first. The node wrote them, so they are not to be trusted.
    public func consoleTail(_ count: Int) -> [String] {
        guard let handle = FileHandle(forReadingAtPath: machine.consolePath) else { return [] }
        defer { try? handle.close() }
        let end = (try? handle.seekToEnd()) ?? 0
        try? handle.seek(toOffset: end > 16_384 ? end - 16_384 : 0)
        let data = (try? handle.readToEnd()) ?? Data()
        let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.suffix(count).map { String($0.prefix(400)) }
    }

    /// Forgets what the agent has written so far, and the programs of pods that have gone.
    func forgetPods() async {
        await observed.update {
            $0.agentLines = []
            $0.containers = [:]
        }
    }

    func close() async {
        await link.value?.close()
        for task in await watcher.value { task.cancel() }
    }
}

/// What happens to a node.
public enum NodeNotice: Sendable {
    case power(PowerEvent)
    case runtime(HelloReply)
    case agent(AgentState)
    /// The node's agent runs and its conflist is in place, so pods can start.
    case ready
    case container(ContainerState)
    case log(source: String, line: String)
}
