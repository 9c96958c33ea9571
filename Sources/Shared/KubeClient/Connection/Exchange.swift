import NIOCore
import NIOHTTP1

/// A request on its way, and what has come of its answer.
///
/// It ends in one of these ways: the answer is whole, the connection is lost, the time is over, or the caller has lost
/// interest. Whatever comes later is not looked at.
final class Exchange: @unchecked Sendable {
    // Unchecked: what varies is touched on the client's event loop only.

    /// How the answer is taken.
    enum Shape: Sendable {
        /// All of it at once, at most `limit` octets.
        case whole(limit: Int)
        /// The head, and then line by line while the connection lasts. What has another status than 200 is taken whole,
        /// at most `limit` octets.
        case lines(limit: Int, line: Int, unread: Int, lifetime: TimeAmount)
    }

    /// How far it has come, in words for the one who waits.
    enum Progress: String {
        case waiting = "waited for a free connection"
        case connecting = "the connection was not established"
        /// Small packets pass and the server's certificate does not come: a server that hangs, or a way with a smaller
        /// MTU than the ends think.
        case securing = "the connection was established, TLS's handshake was not done"
        case sent = "the request was sent, no answer came"
        case answered = "the answer had begun"
    }

    let network: NetworkLoop
    let head: HTTPRequestHead
    let body: [UInt8]
    let shape: Shape
    /// The whole answer, or for lines the head.
    let answer: EventLoopPromise<KubeResponse>
    var progress = Progress.waiting
    /// Called once when it is over, with whether the connection can be used again.
    var whenOver: ((Bool) -> Void)?
    /// Called at most once instead of a failure when a connection that was used before turns out to have ended.
    var retry: (() -> Void)?

    private(set) var isOver = false
    private var channel: (any Channel)?
    private var timer: Scheduled<Void>?
    private var response: HTTPResponseHead?
    private var collected: [UInt8] = []
    private var lines: LineQueue?

    init(
        _ network: NetworkLoop, _ head: HTTPRequestHead, body: [UInt8], shape: Shape
    ) {
        self.network = network
        self.head = head
        self.body = body
        self.shape = shape
        answer = network.loop.makePromise()
    }

    private var loop: any EventLoop { network.loop }

    // MARK: Beginning

    func start(until deadline: NIODeadline, server: String) {
        loop.assertInEventLoop()
        timer = loop.scheduleTask(deadline: deadline) { [weak self] in
            guard let self else { return }
            end(.failure(KubeClientError.timedOut("\(server): \(progress.rawValue)")))
        }
    }

    func begin(on channel: any Channel) {
        self.channel = channel
        progress = .sent
        guard channel.isActive else {
            return lost(KubeClientError.unreachable("the connection ended before the request was sent"))
        }
        channel.writeAndFlush(self, promise: nil)
    }

    /// Gives up. It may be called on any thread.
    func cancel() {
        loop.execute { self.end(.failure(CancellationError())) }
    }

    func fail(_ error: any Error) { end(.failure(error)) }

    // MARK: What comes

    /// Whether octets may be read from the network.
    var wantsMore: Bool {
        guard case .lines(_, _, let unread, _) = shape, let lines else { return true }
        return lines.octets <= unread
    }

    func received(_ part: HTTPClientResponsePart) {
        guard !isOver else { return }
        switch part {
        case .head(let head):
            response = head
            progress = .answered
            retry = nil
            guard case .lines(_, let line, _, let lifetime) = shape, head.status == .ok else { return }
            lines = LineQueue(limit: line)
            timer?.cancel()
            timer = loop.scheduleTask(in: lifetime) { [weak self] in
                self?.end(.failure(KubeClientError.timedOut("the server did not end the stream when it should")))
            }
            answer.succeed(KubeResponse(head, []))
        case .body(let octets):
            if lines != nil {
                do throws(KubeClientError) {
                    try lines?.append(octets.readableBytesView)
                    deliver()
                } catch {
                    end(.failure(error))
                }
                return
            }
            guard collected.count + octets.readableBytes <= limit else {
                return end(.failure(KubeClientError.malformed("an answer of more than \(limit) octets")))
            }
            collected += octets.readableBytesView
        case .end:
            guard let response else { return }
            end(.success(KubeResponse(response, collected)), reusable: response.isKeepAlive)
        }
    }

    /// The connection cannot be used any more.
    func lost(_ error: any Error) {
        guard !isOver else { return }
        if let retry, response == nil, progress == .sent {
            self.retry = nil
            channel = nil
            return retry()
        }
        end(.failure(error))
    }

    private var limit: Int {
        switch shape {
        case .whole(let limit), .lines(let limit, _, _, _): limit
        }
    }

    private func end(_ result: Result<KubeResponse, any Error>, reusable: Bool = false) {
        loop.assertInEventLoop()
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        retry = nil
        if lines != nil {
            lines?.end(result.map { _ in })
            deliver()
        } else {
            answer.completeWith(result)
        }
        // A stream's connection is its own.
        let reusable = if case .whole = shape { reusable } else { false }
        if !reusable { channel?.close(promise: nil) }
        channel = nil
        whenOver?(reusable)
        whenOver = nil
    }

    // MARK: Lines

    private var waiter: EventLoopPromise<[[UInt8]]>?

    /// The lines that have come since, at least one; none if the stream has ended as it should.
    func nextLines() -> EventLoopFuture<[[UInt8]]> {
        loop.assertInEventLoop()
        guard lines != nil, waiter == nil else {
            return loop.makeFailedFuture(KubeClientError.unreachable("the stream has no lines, or two readers"))
        }
        let promise = loop.makePromise(of: [[UInt8]].self)
        waiter = promise
        deliver()
        return promise.futureResult
    }

    private func deliver() {
        guard let waiter, let taken = lines?.take() else { return }
        self.waiter = nil
        waiter.completeWith(taken)
        // Reading may have been held back while there were too many.
        if !isOver { channel?.read() }
    }
}

extension KubeResponse {
    init(_ head: HTTPResponseHead, _ body: [UInt8]) {
        self.init(
            status: Int(head.status.code), headers: head.headers.map { (name: $0.name, value: $0.value) }, body: body)
    }
}

/// Lines that have come and were not taken yet. A line ends with a line feed; what follows the last one at the end of
/// the stream is no line.
struct LineQueue {
    /// Octets of a line.
    private let limit: Int
    private var whole: [[UInt8]] = []
    private var begun: [UInt8] = []
    private var result: Result<Void, any Error>?
    /// Octets of whole lines.
    private(set) var octets = 0

    init(limit: Int) { self.limit = limit }

    mutating func append(_ more: some Collection<UInt8>) throws(KubeClientError) {
        for (index, part) in more.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if index > 0 {
                if !begun.isEmpty {
                    octets += begun.count
                    whole.append(begun)
                }
                begun = []
            }
            guard begun.count + part.count <= limit else { throw .malformed("a line of more than \(limit) octets") }
            begun += part
        }
    }

    mutating func end(_ result: Result<Void, any Error>) { self.result = result }

    /// Takes all lines. Nil means that there is none yet.
    mutating func take() -> Result<[[UInt8]], any Error>? {
        guard whole.isEmpty else {
            defer {
                whole = []
                octets = 0
            }
            return .success(whole)
        }
        return result?.map { [] }
    }
}
