import LinuxKernel
import NIOCore
import NIOHTTP1
import NIOSSL

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
        case NIOSSLError.uncleanShutdown?:
            KubeClientError.unreachable("\(server): the connection ended before the answer did")
        case NIOSSLError.handshakeFailed(.sslError(let stack))?: KubeClientError.tls("\(server): \(words(of: stack))")
        case NIOSSLError.handshakeFailed?: KubeClientError.unreachable("\(server): the connection ended in TLS")
        case BoringSSLError.sslError(let stack)?: KubeClientError.tls("\(server): \(words(of: stack))")
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            KubeClientError.tls("\(server): the certificate is not for this address")
        case let error as NIOSSLExtraError: KubeClientError.tls("\(server): \(error)")
        case let error as NIOSSLError: KubeClientError.tls("\(server): \(error)")
        case HTTPParserError.invalidEOFState?:
            KubeClientError.unreachable("\(server): the connection ended in the middle of the answer")
        case let error?: KubeClientError.malformed("\(server): \(error)")
        }
    }

    /// The reason of each error of BoringSSL, without places in its source: `CERTIFICATE_VERIFY_FAILED`.
    private static func words(of stack: NIOBoringSSLErrorStack) -> String {
        let reasons = stack.map { error in
            // `Error: 268435581 error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at FILE:LINE`
            let text = "\(error)".split(separator: ":").last { $0.contains(" at ") } ?? ""
            return text.prefix { $0 != " " }.lowercased().split(separator: "_").joined(separator: " ")
        }
        return reasons.filter { !$0.isEmpty }.joined(separator: ", ")
    }
}
