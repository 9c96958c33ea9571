import Foundation
import NodeProtocol
import Synchronization

/// The state of a link, and the thread that serves its socket. All shared state is in `state`; only the thread uses the
/// socket and the decoder.
final class LinkChannel: Sendable {
    /// How many framed bytes may wait for the socket. Further requests wait unframed.
    static let highWater = 1 << 20
    static let maximumCalls = 4096

    let node: String
    let path: String
    private let wake: LinkWake
    private let eventSink: AsyncStream<NodeEvent>.Continuation
    private let state = Mutex(LinkState())

    init(node: String, path: String, events: AsyncStream<NodeEvent>.Continuation) {
        self.node = node
        self.path = path
        eventSink = events
        wake = LinkWake()
    }

    var droppedEvents: Int { state.withLock { $0.droppedEvents } }
    var stateDescription: String { state.withLock { $0.phase.description } }

    // MARK: Callers

    /// Sends a request and waits for its reply.
    ///
    /// - Parameter json: The request; nil to send none and wait for the reply to the hello.
    func call(name: String, json: [UInt8]?, deadline: Duration) async throws -> Frame {
        if let json, json.count > Frame.maximumLength {
            throw NodeLinkError(
                code: .tooLong, node: node, request: name, message: "\(json.count) bytes, more than a frame holds")
        }
        let id = state.withLock { state in
            state.lastCall += 1
            state.starting.insert(state.lastCall)
            return state.lastCall
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let call = LinkCall(
                    name: name, json: json, deadline: .now + deadline, patience: deadline, continuation: continuation)
                start(id, call)
            }
        } onCancel: {
            fail(id, .cancelled, "cancelled")
        }
    }

    private func start(_ id: UInt64, _ call: LinkCall) {
        // A link that is ready has had the reply to its hello.
        let hello: Frame? = state.withLock { state in
            guard call.json == nil, state.phase == .ready, !state.cancelledEarly.contains(id) else { return nil }
            state.starting.remove(id)
            return state.hello
        }
        if let hello { return call.continuation.resume(returning: hello) }
        let refusal: (NodeLinkError.Code, String)? = state.withLock { state in
            state.starting.remove(id)
            if state.cancelledEarly.remove(id) != nil { return (.cancelled, "cancelled") }
            if state.phase == .closed { return (.closed, "the link is closed") }
            if state.calls.count >= Self.maximumCalls {
                return (.overloaded, "\(state.calls.count) requests wait already; \(state.phase)")
            }
            state.calls[id] = call
            if call.json != nil { state.unsent.append(id) }
            return nil
        }
        guard let (code, message) = refusal else { return wake.signal() }
        call.continuation.resume(throwing: error(code, call, message))
    }

    private func fail(_ id: UInt64, _ code: NodeLinkError.Code, _ message: String) {
        let call = state.withLock { state in
            let call = state.take(id)
            if call == nil, state.starting.contains(id) { state.cancelledEarly.insert(id) }
            return call
        }
        call.map { $0.continuation.resume(throwing: error(code, $0, message)) }
    }

    private func error(_ code: NodeLinkError.Code, _ call: LinkCall, _ message: String) -> NodeLinkError {
        NodeLinkError(code: code, node: node, request: call.name, message: message)
    }

    func close() {
        let (calls, phase) = state.withLock { state in
            let phase = state.phase
            state.phase = .closed
            return (state.takeAll(), phase)
        }
        for call in calls {
            call.continuation.resume(throwing: error(.closed, call, "the link was closed; it was: \(phase)"))
        }
        eventSink.finish()
        wake.signal()
    }

    // MARK: Thread

    func run() {
        while !isClosed {
            guard let socket = LinkSocket(connecting: path) else {
                note(.connecting(lastError: String(cString: strerror(errno))))
                expire()
                wake.wait(milliseconds: pollTimeout(atMost: 10))
                continue
            }
            let reason = serve(socket)
            lost(reason)
        }
    }

    private var isClosed: Bool { state.withLock { $0.phase == .closed } }

    private func note(_ phase: LinkState.Phase) {
        state.withLock { if $0.phase != .closed { $0.phase = phase } }
    }

    /// Serves one connection until it ends, and answers why it ended.
    private func serve(_ socket: consuming LinkSocket) -> String {
        var decoder = FrameDecoder()
        greet()
        while !isClosed {
            frameWaitingCalls()
            if let failure = flush(socket) { return failure }
            let backlog = state.withLock { !$0.outbox.isEmpty }
            let ready = socket.poll(write: backlog, wake: wake, milliseconds: pollTimeout(atMost: 60_000))
            if ready.readable {
                switch socket.read() {
                case .bytes(let bytes): decoder.append(bytes)
                case .nothing: break
                case .ended(let reason): return reason
                }
                while let frame = decoder.next() { receive(frame) }
            }
            expire()
        }
        return "closed"
    }

    /// Opens a new session on this connection.
    private func greet() {
        let session = UInt32.random(in: 1...UInt32.max)
        let hello = NodeRequest.hello(Hello(version: Int(Frame.version), session: session))
        let bytes = (try? Frame.request(hello, session: session, id: 0))?.encoded ?? []
        state.withLock { state in
            guard state.phase != .closed else { return }
            state.phase = .greeting
            state.session = session
            state.outbox = LinkOutbox()
            state.outbox.append(bytes)
        }
    }

    /// Moves requests into the outbox, oldest first, as far as it has room.
    private func frameWaitingCalls() {
        state.withLock { state in
            guard case .ready = state.phase else { return }
            while let id = state.unsent.first, state.outbox.count < Self.highWater {
                state.unsent.removeFirst()
                guard let call = state.calls[id], let json = call.json else { continue }
                let frame = Frame(kind: .request, session: state.session, request: id, json: json)
                state.outbox.append(frame.encoded ?? [])
                state.calls[id]?.sent = true
            }
        }
    }

    private func flush(_ socket: borrowing LinkSocket) -> String? {
        while true {
            let chunk = state.withLock { $0.outbox.firstChunk }
            guard let chunk else { return nil }
            switch socket.write(chunk) {
            case .wrote(let count): state.withLock { $0.outbox.consume(count) }
            case .full: return nil
            case .failed(let reason): return reason
            }
        }
    }

    private func receive(_ frame: Frame) {
        switch frame.kind {
        case .request: break
        case .event: receiveEvent(frame)
        case .reply where frame.request == 0: receiveHello(frame)
        case .reply:
            let call = state.withLock { state in
                frame.session == state.session ? state.take(frame.request) : nil
            }
            call?.continuation.resume(returning: frame)
        }
    }

    private func receiveEvent(_ frame: Frame) {
        let session = state.withLock { $0.session }
        guard let event = try? frame.decode(NodeEvent.self) else { return }
        if frame.session == 0, case .started(let hello) = event {
            // The node's runtime has no session: the node has booted anew, and requests that were under way are lost.
            let calls: [LinkCall]? = state.withLock { state in
                if state.phase == .ready, hello.bootID == state.bootID { return nil }
                return state.takeSent()
            }
            guard let calls else { return }
            fail(calls, .nodeRestarted, "the node booted anew (boot \(hello.bootID))")
            return greet()
        }
        guard frame.session == session else { return }
        if case .dropped = eventSink.yield(event) { state.withLock { $0.droppedEvents += 1 } }
    }

    private func receiveHello(_ frame: Frame) {
        guard case .hello(let hello)? = try? frame.decode(NodeReply.self) else { return }
        let (waiters, orphans) = state.withLock { state -> ([LinkCall], [LinkCall]) in
            guard frame.session == state.session, state.phase != .closed else { return ([], []) }
            let orphans = state.bootID == hello.bootID ? [] : state.takeSent()
            state.phase = .ready
            state.bootID = hello.bootID
            state.hello = frame
            return (state.takeWaiters(), orphans)
        }
        for waiter in waiters { waiter.continuation.resume(returning: frame) }
        fail(orphans, .nodeRestarted, "the node booted anew (boot \(hello.bootID))")
    }

    private func lost(_ reason: String) {
        let calls = state.withLock { state -> [LinkCall] in
            if state.phase != .closed { state.phase = .connecting(lastError: reason) }
            state.outbox = LinkOutbox()
            return state.takeSent()
        }
        fail(calls, .connectionLost, "the channel was lost: \(reason)")
    }

    private func fail(_ calls: [LinkCall], _ code: NodeLinkError.Code, _ message: String) {
        for call in calls { call.continuation.resume(throwing: error(code, call, message)) }
    }

    private func expire() {
        let now = ContinuousClock.now
        let (late, phase) = state.withLock { ($0.takeLate(now), $0.phase) }
        for call in late {
            let what = call.json == nil ? "not ready" : call.sent ? "no reply" : "not sent"
            call.continuation.resume(
                throwing: error(.timeout, call, "\(what) within \(call.patience); the link is \(phase)"))
        }
    }

    private func pollTimeout(atMost most: Int32) -> Int32 {
        guard let next = state.withLock({ $0.calls.values.map(\.deadline).min() }) else { return most }
        let left = ContinuousClock.now.duration(to: next).components
        let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1
        return Int32(max(0, min(Int64(most), milliseconds)))
    }
}
