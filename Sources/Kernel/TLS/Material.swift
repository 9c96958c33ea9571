import CLibssl

/// Certificates of a text in PEM (RFC 7468). They are freed with it.
struct Certificates: ~Copyable {
    let all: [OpaquePointer]

    /// The most certificates that a text may have.
    private static let most = 64

    /// - Parameter name: What the text is, for errors.
    init(pem: String, name: String) throws(TLSError) {
        ERR_clear_error()
        let found = try withMemory(of: pem, name: name) { bio -> [OpaquePointer] in
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
        let read = try withMemory(of: pem, name: name) { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in 0 }, nil) }
        let reason = takeReason()
        guard let read else { throw .material("\(name): no private key in PEM: \(reason ?? "empty")") }
        key = read
    }

    deinit { EVP_PKEY_free(key) }
}

/// Reads a text through one of OpenSSL's memory BIOs.
///
/// - Throws: `.material` if there is no text, or no memory for the BIO.
private func withMemory<Result>(
    of text: String, name: String, _ body: (OpaquePointer) -> Result
) throws(TLSError) -> Result {
    let bytes = Array(text.utf8)
    // The BIO reads from these bytes, which outlive it.
    let result = bytes.withUnsafeBytes { bytes -> Result? in
        guard !bytes.isEmpty, let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
            return nil
        }
        defer { BIO_free(bio) }
        return body(bio)
    }
    guard let result else { throw .material("\(name): \(bytes.isEmpty ? "empty" : "no memory to read it")") }
    return result
}
