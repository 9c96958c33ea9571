import NIOSSL

/// TLS as a client of an API server uses it.
enum Security {
    static func context(_ server: KubeServer) -> Result<NIOSSLContext, KubeClientError> {
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            let authorities = try NIOSSLCertificate.fromPEMBytes(Array(server.authorityPEM.utf8))
            // Without any, the system's own would be believed.
            guard !authorities.isEmpty else { return .failure(.tls("there is no authority's certificate")) }
            configuration.trustRoots = .certificates(authorities)
            configuration.shutdownTimeout = .seconds(1)
            if case .certificate(let chain, let key) = server.credential {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(chain.utf8))
                    .map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
            }
            return .success(try NIOSSLContext(configuration: configuration))
        } catch {
            return .failure(.tls("the client's certificates or key cannot be read: \(error)"))
        }
    }
}
