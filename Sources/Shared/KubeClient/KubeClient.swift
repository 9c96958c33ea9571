import NIOCore
import NIOHTTP1
import Synchronization

/// A client of an API server over HTTP/1.1 and TLS.
///
/// Everything has a deadline, and everything that the server sends is bounded by `KubeClientLimits`. Requests take
/// turns on a few connections, and each watch has one of its own. A client that is no longer used ends its connections.
public final class KubeClient: Sendable {
    public let server: KubeServer
    public let limits: KubeClientLimits
    let network: NetworkLoop
    let known = Mutex(KnownResources())
    private let userAgent: String
    let pool: ConnectionPool
    private let token: BearerToken

    /// - Parameters:
    ///   - userAgent: Names the client in the server's audit log.
    ///   - namespace: The descriptor of a network namespace in which the client's sockets are opened. It is duplicated.
    ///     Nil means the process's own.
    public init(
        _ server: KubeServer, userAgent: String, in namespace: Int32? = nil,
        limits: KubeClientLimits = KubeClientLimits()
    ) {
        self.server = server
        self.limits = limits
        self.userAgent = userAgent
        network = namespace.map { NetworkLoop(in: $0) } ?? .shared
        pool = ConnectionPool(network, server, limits)
        token = BearerToken(server.credential, age: limits.tokenAge)
    }

    deinit {
        _ = pool.close()
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// A request that only reads is sent again if a connection that had been used before turns out to have ended, and
    /// any request with another token if the server did not believe the first one.
    ///
    /// - Throws: `KubeClientError`, `CancellationError`.
    public func send(_ request: KubeRequest, within limit: Duration) async throws -> KubeResponse {
        let deadline = Self.deadline(limit)
        let response = try await answer(to: exchange(for: request, .whole(limit: limits.body)), until: deadline)
        guard response.status == 401, token.forget() else { return response }
        return try await answer(to: exchange(for: request, .whole(limit: limits.body)), until: deadline)
    }

    /// Ends all connections, also those of watches. Requests fail from now on.
    public func close() async {
        try? await pool.close().get()
    }

    // MARK: Exchanges

    /// Begins a request whose answer is read line by line.
    ///
    /// - Parameter lifetime: How long the stream may last.
    /// - Throws: `KubeClientError.refused` for any other status than 200.
    func lines(
        of request: KubeRequest, within limit: Duration, lifetime: Duration
    ) async throws -> LineStream {
        let exchange = try exchange(
            for: request,
            .lines(
                limit: limits.body, line: limits.event, unread: limits.unreadEvents,
                lifetime: Self.amount(lifetime)))
        let response = try await answer(to: exchange, until: Self.deadline(limit))
        guard response.status == 200 else {
            if response.status == 401 { _ = token.forget() }
            throw KubeClientError.refused(KubeCoding.status(of: response))
        }
        return LineStream(self, exchange)
    }

    private func answer(to exchange: Exchange, until deadline: NIODeadline) async throws -> KubeResponse {
        pool.begin(exchange, until: deadline)
        return try await withTaskCancellationHandler {
            try await exchange.answer.futureResult.get()
        } onCancel: {
            exchange.cancel()
        }
    }

    private func exchange(for request: KubeRequest, _ shape: Exchange.Shape) throws(KubeClientError) -> Exchange {
        var head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method),
            uri: KubePath.withQuery(request.path, request.query))
        let isWritable = head.uri.hasPrefix("/") && head.uri.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard isWritable, ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].contains(request.method) else {
            throw .malformed("no request of HTTP: \(request.method) \(head.uri.prefix(100).debugDescription)")
        }
        head.headers.add(name: "Host", value: server.authority)
        head.headers.add(name: "User-Agent", value: userAgent)
        head.headers.add(name: "Accept", value: request.accept ?? "application/json")
        if let token = try token.current() { head.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let type = request.contentType { head.headers.add(name: "Content-Type", value: type) }
        if !request.body.isEmpty || request.method != "GET" {
            head.headers.add(name: "Content-Length", value: "\(request.body.count)")
        }
        return Exchange(network, head, body: request.body, shape: shape)
    }

    private static func deadline(_ limit: Duration) -> NIODeadline { .now() + amount(limit) }

    /// At most a day, so that no sum overflows.
    private static func amount(_ duration: Duration) -> TimeAmount {
        let seconds = min(max(duration.components.seconds, 0), 86_400)
        return .seconds(seconds) + .nanoseconds(max(0, duration.components.attoseconds / 1_000_000_000))
    }
}

/// The lines of an answer, as they come. The connection ends with the last reference to it.
final class LineStream: Sendable {
    private let client: KubeClient
    private let exchange: Exchange

    init(_ client: KubeClient, _ exchange: Exchange) {
        self.client = client
        self.exchange = exchange
    }

    deinit {
        exchange.cancel()
    }

    /// Waits for lines and returns all that there are; none if the server has ended the stream as it should.
    func next() async throws -> [[UInt8]] {
        let exchange = exchange
        return try await withTaskCancellationHandler {
            try await client.network.loop.flatSubmit { exchange.nextLines() }.get()
        } onCancel: {
            exchange.cancel()
        }
    }
}
