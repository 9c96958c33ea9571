import CLibssl

/// What goes wrong with TLS.
public enum TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A certificate or a key that cannot be used, with the reason.
    case material(String)
    /// The handshake failed on this side, in OpenSSL's words or those of its verifier, such as
    /// `certificate verify failed: IP address mismatch`.
    case handshake(String)
    /// The peer refused, such as `tlsv1 alert unknown ca`.
    case alert(String)
    /// The connection ended without the peer's closing alert, so what was read may be cut off.
    case truncated
    /// The connection ended before the handshake did.
    case closed

    public var description: String {
        switch self {
        case .material(let reason), .handshake(let reason), .alert(let reason): reason
        case .truncated: "the connection ended without TLS's closing alert"
        case .closed: "the connection ended in TLS's handshake"
        }
    }
}

/// Returns the reason of the oldest error in this thread's queue of OpenSSL, and empties the queue.
func takeReason() -> String? {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0 else { return nil }
    if let words = ERR_reason_error_string(code) { return String(cString: words) }
    return "error \(String(code, radix: 16))"
}
