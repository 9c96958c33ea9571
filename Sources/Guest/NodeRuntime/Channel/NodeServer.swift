import LinuxKernel
import NodeProtocol
import Synchronization

/// Sessions, requests and events over a channel. Every request runs on a thread of its own: a probe of seconds does not
/// hold up a status call.
final class NodeServer: Sendable {
    /// How many requests are carried out at once. Further ones are refused.
    static let maximumRequests = 96
    /// How many events are kept until a host says hello. The oldest are dropped first.
    static let maximumEarlyEvents = 512

    private struct State {
        var session: UInt32 = 0
        var requests = 0
        var early: [NodeEvent] = []
    }

    private let channel: GuestChannel
    private let state = Mutex(State())

    init(channel: GuestChannel) { self.channel = channel }

    /// Serves the channel until reading from it fails.
    /// - Parameters:
    ///   - describe: Gives the answer to a hello.
    ///   - present: Gives the events that a host gets when it connects again, because nobody received those of the
    ///     meantime.
    func run(
        describe: @escaping @Sendable () -> HelloReply, present: @escaping @Sendable () -> [NodeEvent],
        handle: @escaping @Sendable (NodeRequest) throws -> (NodeReply, blob: [UInt8])
    ) throws(SystemError) {
        startThread("channel-writer") { [channel] in channel.runWriter() }
        try channel.runReader(
            opened: { if state.withLock({ $0.session == 0 }) { announce(describe()) } },
            received: { frame in
                guard frame.kind == .request else { return }
                if let hello = Self.hello(in: frame) {
                    greet(hello, frame, describe(), present)
                } else {
                    receive(frame, handle: handle)
                }
            })
    }

    func send(_ event: NodeEvent) {
        let session = state.withLock { state -> UInt32 in
            if state.session == 0 {
                if state.early.count >= Self.maximumEarlyEvents { state.early.removeFirst() }
                state.early.append(event)
            }
            return state.session
        }
        if session != 0 { emit(event, session) }
    }

    private func emit(_ event: NodeEvent, _ session: UInt32) {
        let isLog = if case .log = event { true } else { false }
        guard let frame = try? Frame.event(event, session: session) else { return }
        if !isLog {
            let dropped = channel.takeDroppedLogs()
            let note = NodeEvent.log(
                source: "runtime", line: "\(dropped) log lines dropped: the host did not read them")
            if dropped > 0, let frame = try? Frame.event(note, session: session) { channel.send(frame) }
        }
        channel.send(frame, isLog: isLog)
    }

    /// Tells a host that greeted an earlier boot of this node to greet again.
    private func announce(_ hello: HelloReply) {
        if let frame = try? Frame.event(.started(hello), session: 0) { channel.send(frame) }
    }

    private static func hello(in frame: Frame) -> Hello? {
        guard frame.request == 0, case .hello(let hello)? = try? frame.decode(NodeRequest.self) else { return nil }
        return hello
    }

    private func receive(
        _ frame: Frame,
        handle: @escaping @Sendable (NodeRequest) throws -> (NodeReply, blob: [UInt8])
    ) {
        let request: NodeRequest
        do {
            request = try frame.decode()
        } catch {
            return reply(.failed(NodeFailure(code: "bad-request", message: "unreadable request: \(error)")), to: frame)
        }
        let accepted = state.withLock { state -> NodeFailure?? in
            // A frame with another session number comes from an earlier connection.
            guard frame.session == state.session else { return .some(nil) }
            guard state.requests < Self.maximumRequests else {
                return NodeFailure(code: "overloaded", message: "\(state.requests) requests are under way")
            }
            state.requests += 1
            return nil
        }
        if let refusal = accepted {
            if let refusal { reply(.failed(refusal), to: frame) }
            return
        }
        startThread("request") {
            do {
                let (answer, blob) = try handle(request)
                self.reply(answer, blob: blob, to: frame)
            } catch let failure as NodeFailure {
                self.reply(.failed(failure), to: frame)
            } catch {
                self.reply(.failed(NodeFailure(code: "failed", message: "\(error)")), to: frame)
            }
            self.state.withLock { $0.requests -= 1 }
        }
    }

    private func greet(
        _ hello: Hello, _ frame: Frame, _ description: HelloReply, _ present: @Sendable () -> [NodeEvent]
    ) {
        let (early, isFirst) = state.withLock { state in
            let isFirst = state.session == 0
            state.session = hello.session
            defer { state.early = [] }
            return (state.early, isFirst)
        }
        reply(.hello(description), to: frame)
        emit(.started(description), hello.session)
        for event in isFirst ? early : present() { emit(event, hello.session) }
    }

    private func reply(_ reply: NodeReply, blob: [UInt8] = [], to frame: Frame) {
        do {
            channel.send(try .reply(reply, blob: blob, session: frame.session, id: frame.request))
        } catch {
            Console.say("reply to request \(frame.request) not encoded: \(error)")
        }
    }
}
