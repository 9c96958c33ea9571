import CLibcrypto

/// A call of libcrypto that failed, with the reason that it gives.
public struct CertificateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `X509_sign: …`
    public let description: String

    init(_ description: String) { self.description = description }

    /// Takes the oldest error of the calling thread's queue, and empties the queue.
    static func last(_ call: String) -> CertificateError {
        var text = [CChar](repeating: 0, count: 256)
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return CertificateError("\(call): no reason given") }
        ERR_error_string_n(code, &text, text.count)
        return CertificateError("\(call): \(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))")
    }
}

/// Runs a call that answers 1 for success, or something above, such as a length.
func succeed(_ call: String, _ body: () -> Int32) throws(CertificateError) {
    if body() <= 0 { throw .last(call) }
}

/// Runs a call that answers a pointer, nil for failure.
func made<Pointer>(_ call: String, _ body: () -> Pointer?) throws(CertificateError) -> Pointer {
    guard let pointer = body() else { throw .last(call) }
    return pointer
}

/// What a PEM writer of libcrypto writes.
func pem(_ call: String, _ write: (OpaquePointer) -> Int32) throws(CertificateError) -> String {
    let memory = try made("BIO_new") { BIO_new(BIO_s_mem()) }
    defer { BIO_free(memory) }
    try succeed(call) { write(memory) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while case let count = BIO_read(memory, &piece, Int32(piece.count)), count > 0 {
        bytes += piece.prefix(Int(count))
    }
    return String(decoding: bytes, as: UTF8.self)
}
