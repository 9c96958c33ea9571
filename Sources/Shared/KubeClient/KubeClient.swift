/// A client of an API server over HTTP/1.1 and TLS (skeleton).
public final class KubeClient: Sendable {
    public let server: KubeServer
    public let limits: KubeClientLimits

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
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// - Throws: `KubeClientError`, `CancellationError`.
    public func send(_ request: KubeRequest, within limit: Duration) async throws -> KubeResponse {
        throw KubeClientError.unreachable("not written yet")
    }

    /// Ends all connections, also those of watches.
    public func close() async {}
}
