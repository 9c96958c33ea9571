import NodeProtocol

/// A request that waits for its reply.
struct LinkCall {
    let name: String
    /// The request; nil for one that only waits for the reply to the hello.
    let json: [UInt8]?
    let deadline: ContinuousClock.Instant
    let patience: Duration
    let continuation: CheckedContinuation<Frame, any Error>
    var sent = false
}

/// The bytes that are on their way to the socket.
struct LinkOutbox {
    private var chunks: [[UInt8]] = []
    private var offset = 0
    private(set) var count = 0

    var isEmpty: Bool { chunks.isEmpty }
    var firstChunk: ArraySlice<UInt8>? { chunks.first.map { $0[offset...] } }

    mutating func append(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        chunks.append(bytes)
        count += bytes.count
    }

    mutating func consume(_ length: Int) {
        offset += length
        count -= length
        if let first = chunks.first, offset >= first.count {
            chunks.removeFirst()
            offset = 0
        }
    }
}

struct LinkState {
    enum Phase: Equatable, CustomStringConvertible {
        case connecting(lastError: String)
        case greeting
        case ready
        case closed

        var description: String {
            switch self {
            case .connecting(let error): "connecting (\(error))"
            case .greeting: "connected, no hello from the node yet"
            case .ready: "ready"
            case .closed: "closed"
            }
        }
    }

    var phase = Phase.connecting(lastError: "not tried yet")
    var session: UInt32 = 0
    var bootID: String?
    /// The last reply to a hello.
    var hello: Frame?
    var lastCall: UInt64 = 0
    var calls: [UInt64: LinkCall] = [:]
    /// The numbers of requests that are not in the outbox yet, oldest first.
    var unsent: [UInt64] = []
    /// Requests that have a number and are not in `calls` yet.
    var starting: Set<UInt64> = []
    /// Those of them that were cancelled already.
    var cancelledEarly: Set<UInt64> = []
    var outbox = LinkOutbox()
    var droppedEvents = 0

    mutating func take(_ id: UInt64) -> LinkCall? { calls.removeValue(forKey: id) }

    mutating func takeAll() -> [LinkCall] { take { _ in true } }
    mutating func takeSent() -> [LinkCall] { take { $0.sent } }
    mutating func takeWaiters() -> [LinkCall] { take { $0.json == nil } }
    mutating func takeLate(_ now: ContinuousClock.Instant) -> [LinkCall] { take { $0.deadline <= now } }

    private mutating func take(where matches: (LinkCall) -> Bool) -> [LinkCall] {
        let ids = calls.filter { matches($0.value) }.keys.sorted()
        return ids.compactMap { calls.removeValue(forKey: $0) }
    }
}
