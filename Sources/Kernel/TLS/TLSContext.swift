import CLibssl
import OpenSSL

/// Certificates, keys and whom to trust, for any number of connections. TLS 1.2 (RFC 5246) and 1.3 (RFC 8446), without
/// sessions that are resumed.
public final class TLSContext: @unchecked Sendable {
    // OpenSSL allows connections of several threads to be made from a context that is not changed any more.
    let context: OpaquePointer
    /// Whether the peer of a connection must be somebody whom the authority vouches for.
    let verifies: Bool

    /// Makes the context of clients.
    ///
    /// - Parameters:
    ///   - authorityPEM: The certificates of the authorities that a server's certificate must come from; nil trusts
    ///     every server, as a kubelet's HTTPS probes do.
    ///   - chainPEM: The client's own certificate, and those between it and its authority.
    ///   - keyPEM: The certificate's private key.
    /// - Throws: `.material` for what cannot be read or does not belong together.
    public convenience init(
        clientTrusting authorityPEM: String?, chainPEM: String? = nil, keyPEM: String? = nil
    ) throws(TLSError) {
        try self.init(method: TLS_client_method(), verifies: authorityPEM != nil)
        if let authorityPEM {
            try trust(authorityPEM)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        }
        if let chainPEM, let keyPEM { try present(chainPEM, keyPEM) }
    }

    /// Makes the context of a server.
    ///
    /// - Parameters:
    ///   - serverChainPEM: The server's own certificate, and those between it and its authority.
    ///   - keyPEM: The certificate's private key.
    ///   - clientAuthorityPEM: The authorities of clients' certificates. Clients are asked for one. A wrong one ends the
    ///     handshake; a client without one has no `TLSHandler.peer`.
    /// - Throws: `.material` for what cannot be read or does not belong together.
    public convenience init(
        serverChainPEM: String, keyPEM: String, clientAuthorityPEM: String?
    ) throws(TLSError) {
        try self.init(method: TLS_server_method(), verifies: clientAuthorityPEM != nil)
        try present(serverChainPEM, keyPEM)
        if let clientAuthorityPEM {
            try trust(clientAuthorityPEM)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        }
    }

    private init(method: OpaquePointer?, verifies: Bool) throws(TLSError) {
        _ = OpenSSL.isSetUp
        ERR_clear_error()
        guard let made = SSL_CTX_new(method) else {
            throw .material("no context: \(takeReason() ?? "out of memory")")
        }
        context = made
        self.verifies = verifies
        _ = labrun_ssl_min_version(made)
        _ = labrun_ssl_modes(made)
    }

    deinit { SSL_CTX_free(context) }

    private func trust(_ pem: String) throws(TLSError) {
        let authorities = try Certificates(pem: pem, name: "authority")
        let store = SSL_CTX_get_cert_store(context)
        for authority in authorities.all {
            // A certificate that is there twice is no error.
            _ = X509_STORE_add_cert(store, authority)
            _ = SSL_CTX_add_client_CA(context, authority)
        }
        ERR_clear_error()
    }

    private func present(_ chainPEM: String, _ keyPEM: String) throws(TLSError) {
        let chain = try Certificates(pem: chainPEM, name: "certificate")
        let key = try PrivateKey(pem: keyPEM, name: "key")
        ERR_clear_error()
        guard let own = chain.all.first, SSL_CTX_use_certificate(context, own) == 1,
            SSL_CTX_use_PrivateKey(context, key.key) == 1, SSL_CTX_check_private_key(context) == 1
        else { throw .material("certificate and key: \(takeReason() ?? "they do not belong together")") }
        for certificate in chain.all.dropFirst() {
            // The context frees what it takes, and the chain frees its own.
            X509_up_ref(certificate)
            if labrun_ssl_add_chain(context, certificate) != 1 { X509_free(certificate) }
        }
        ERR_clear_error()
    }
}
