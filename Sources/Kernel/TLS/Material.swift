import CLibssl

/// Certificates of a text in PEM (RFC 7468). They are freed with it.
struct Certificates: ~Copyable {
    let all: [OpaquePointer]

    /// The most certificates that a text may have.
    private static let most = 64

    /// - Parameter name: What the text is, for errors.
    init(pem: String, name: String) throws(TLSError) {
        ERR_clear_error()
        let found: [OpaquePointer] = withMemory(of: pem) { bio in
            var found: [OpaquePointer] = []
            while found.count < Self.most, let next = PEM_read_bio_X509(bio, nil, nil, nil) { found.append(next) }
            return found
        }
        let reason = takeReason()
        guard !found.isEmpty else { throw .material("\(name): no certificate in PEM: \(reason ?? "empty")") }
        all = found
    }

    deinit { for certificate in all { X509_free(certificate) } }
}

/// A private key of a text in PEM, without a passphrase.
struct PrivateKey: ~Copyable {
    let key: OpaquePointer

    init(pem: String, name: String) throws(TLSError) {
        ERR_clear_error()
        // A callback that knows no passphrase keeps OpenSSL from asking the terminal for one.
        let read = withMemory(of: pem) { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in 0 }, nil) }
        let reason = takeReason()
        guard let read else { throw .material("\(name): no private key in PEM: \(reason ?? "empty")") }
        key = read
    }

    deinit { EVP_PKEY_free(key) }
}

private func withMemory<Result>(of text: String, _ body: (OpaquePointer) -> Result) -> Result {
    var text = text
    return text.withUTF8 { bytes in
        // The BIO reads from the text's own bytes, which outlive it.
        guard let bio = BIO_new_mem_buf(bytes.baseAddress ?? UnsafePointer(emptyText), Int32(clamping: bytes.count))
        else { fatalError("no memory for a BIO") }
        defer { BIO_free(bio) }
        return body(bio)
    }
}

nonisolated(unsafe) private let emptyText: UnsafeMutablePointer<UInt8> = {
    // A place for the reader of no octets; it is never written.
    let place = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
    place.initialize(to: 0)
    return place
}()
