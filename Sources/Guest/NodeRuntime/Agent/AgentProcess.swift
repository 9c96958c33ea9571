import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// The datapath agent under test: a child that comes and goes while the runtime stays.
final class AgentProcess: Sendable {
    /// How long an agent may take to end after a signal.
    static let endPatience = Duration.seconds(10)

    private struct State {
        var child: ChildProcess?
        var starts = 0
        /// Whether the child was asked to end by whoever started it.
        var isAsked = false
        var last: AgentState = AgentState(running: false, pid: nil, ended: nil, lastLines: [], starts: 0)
    }

    private let children: ChildProcesses
    private let events: @Sendable (NodeEvent) -> Void
    private let state = Mutex(State())

    init(children: ChildProcesses, events: @escaping @Sendable (NodeEvent) -> Void) {
        self.children = children
        self.events = events
    }

    var current: AgentState { state.withLock { $0.last } }

    /// Who hears of an agent besides the host: the container that it is.
    struct Listener: Sendable {
        /// Takes what the agent writes.
        var wrote: @Sendable (ArraySlice<UInt8>) -> Void
        /// Called once, after the last output, with how it ended and its last lines.
        var ended: @Sendable (ExitStatus?, [String]) -> Void
    }

    /// Starts the agent and sends the event of its start.
    ///
    /// Events are sent under the lock that guards the state. Otherwise the event of an agent's end could overtake that
    /// of the next one's start, and the host would take an agent that runs for one that has ended.
    /// - Throws: `NodeFailure` when it runs already or cannot be started.
    @discardableResult
    func start(_ command: [String], listener: Listener? = nil) throws -> AgentState {
        let output = try OutputPipe()
        let (child, started) = try state.withLock { state throws -> (ChildProcess, AgentState) in
            if let child = state.child, child.exitStatus == nil {
                throw NodeFailure(
                    code: "already-running", message: "the agent runs already, process \(child.processIdentifier)")
            }
            let child = try children.spawn(
                command, environment: NodeEnvironment.variables, output: output.writeEnd, error: output.writeEnd)
            state.child = child
            state.isAsked = false
            state.starts += 1
            state.last = AgentState(
                running: true, pid: child.processIdentifier, ended: nil, lastLines: [], starts: state.starts)
            events(.agent(state.last))
            return (child, state.last)
        }
        output.closeWriteEnd()
        let relay = UncheckedBox(output)
        startThread("agent") { self.relay(child, relay.value, listener) }
        return started
    }

    /// Asks the agent to end, and does not wait for it: its container is being stopped.
    func ask(signal: Int32) {
        let child = state.withLock { state in
            state.isAsked = true
            return state.child
        }
        child?.signal(signal)
    }

    /// The process of an agent that runs.
    var processIdentifier: Int32? {
        state.withLock { state in state.child.flatMap { $0.exitStatus == nil ? $0.processIdentifier : nil } }
    }

    /// Signals the agent, waits for its end, then kills what it left of its process group.
    /// - Throws: `NodeFailure` when none runs or it does not end.
    func stop(signal: Int32) throws -> AgentState {
        guard let child = state.withLock({ $0.child }), child.exitStatus == nil else {
            throw NodeFailure(code: "not-running", message: "no agent runs; \(endedText)")
        }
        child.signal(signal)
        guard child.waitForEnd(until: .after(Self.endPatience)) != nil else {
            throw NodeFailure(
                code: "timeout",
                message: "the agent, process \(child.processIdentifier), "
                    + "still runs \(Self.endPatience) after signal \(signal)")
        }
        child.killGroup()
        let deadline = Deadline.after(.seconds(2))
        // The relay records the end after it has read the last lines, so this waits for the relay and not for the
        // process.
        while current.running, !deadline.hasPassed { poll(nil, 0, 1) }
        return current
    }

    private var endedText: String { current.ended.map { "the last one ended with \($0)" } ?? "none was started" }

    /// Passes the agent's lines on until it has ended, then sends the event of its end.
    private func relay(_ child: ChildProcess, _ output: OutputPipe, _ listener: Listener?) {
        var lines = LineRelay(now: .now)
        func pass(_ bytes: ArraySlice<UInt8>) {
            listener?.wrote(bytes)
            for line in lines.receive(bytes, now: .now) { events(.log(source: "agent", line: line)) }
        }
        while child.exitStatus == nil {
            var watched = [child.endDescriptor, output.openReadEnd].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            poll(&watched, 2, -1)
            output.readAvailable(pass)
        }
        output.readAvailable(pass)
        for line in lines.finish(now: .now) { events(.log(source: "agent", line: line)) }
        let ended =
            switch child.exitStatus {
            case .exited(let code)?: "exit \(code)"
            case .signalled(let number)?: "signal \(number)"
            case nil: "unknown"
            }
        state.withLock { state in
            // Another agent may run by now. Its state is the one that counts.
            guard state.child === child else { return }
            state.last = AgentState(
                running: false, pid: nil, ended: ended, lastLines: lines.lastLines, starts: state.starts,
                wasAsked: state.isAsked)
            events(.agent(state.last))
        }
        guard let listener else { return }
        // Nobody else ends what it has left behind.
        child.killGroup()
        listener.ended(child.exitStatus, lines.lastLines)
    }
}

/// Hands a value to the one thread that uses it from then on.
struct UncheckedBox<Value>: @unchecked Sendable {  // given away by its only owner
    let value: Value
    init(_ value: Value) { self.value = value }
}

enum NodeEnvironment {
    static let variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8"]
}
