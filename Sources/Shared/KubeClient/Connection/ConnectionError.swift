import LinuxKernel
import NIOCore
import NIOHTTP1
import TLS

#if canImport(Glibc)
    import Glibc
#endif

/// The words for what libraries say of a connection.
enum ConnectionError {
    /// - Parameter error: Nil if the connection ended without a mistake.
    static func words(of error: (any Error)?, server: String) -> any Error {
        switch error {
        case nil: KubeClientError.unreachable("\(server): the connection ended before the answer did")
        case let error as KubeClientError: error
        case let error as SystemError: KubeClientError.unreachable("\(server): \(error)")
        case let error as IOError:
            KubeClientError.unreachable("\(server): \(String(cString: strerror(error.errnoCode)))")
        case ChannelError.connectTimeout?: KubeClientError.timedOut("\(server): the connection was not established")
        case is ChannelError: KubeClientError.unreachable("\(server): the connection ended")
        case TLSError.truncated?, TLSError.closed?:
            KubeClientError.unreachable("\(server): the connection ended before the answer did")
        case let error as TLSError: KubeClientError.tls("\(server): \(error)")
        case HTTPParserError.invalidEOFState?:
            KubeClientError.unreachable("\(server): the connection ended in the middle of the answer")
        case let error?: KubeClientError.malformed("\(server): \(error)")
        }
    }
}
