import TLS

/// TLS as a client of an API server uses it.
enum Security {
    static func context(_ server: KubeServer) -> Result<TLSContext, KubeClientError> {
        // Without any authority, everybody would be believed.
        guard server.authorityPEM.contains("-----BEGIN CERTIFICATE-----") else {
            return .failure(.tls("there is no authority's certificate"))
        }
        do throws(TLSError) {
            if case .certificate(let chain, let key) = server.credential {
                return .success(
                    try TLSContext(clientTrusting: server.authorityPEM, chainPEM: chain, keyPEM: key))
            }
            return .success(try TLSContext(clientTrusting: server.authorityPEM))
        } catch {
            return .failure(.tls("the client's certificates or key: \(error)"))
        }
    }
}
