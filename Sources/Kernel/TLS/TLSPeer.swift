import CLibssl

/// Whom the verified certificate of a connection's other side names. Kubernetes reads a user's name from the common
/// name and its groups from the organizations.
public struct TLSPeer: Sendable, Hashable {
    public var commonName: String
    public var organizations: [String]

    public init(commonName: String, organizations: [String]) {
        self.commonName = commonName
        self.organizations = organizations
    }

    /// Is nil for a peer without a certificate, or with one that was not verified.
    init?(of connection: OpaquePointer) {
        guard let certificate = SSL_get1_peer_certificate(connection) else { return nil }
        defer { X509_free(certificate) }
        guard SSL_get_verify_result(connection) == Int(X509_V_OK), let subject = X509_get_subject_name(certificate)
        else { return nil }
        commonName = ""
        organizations = []
        for index in 0..<X509_NAME_entry_count(subject) {
            guard let entry = X509_NAME_get_entry(subject, index), let text = Self.text(of: entry) else { continue }
            switch OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) {
            case NID_commonName: commonName = text
            case NID_organizationName: organizations.append(text)
            default: break
            }
        }
    }

    private static func text(of entry: OpaquePointer) -> String? {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry))
        guard count >= 0, let bytes else { return nil }
        defer { CRYPTO_free(bytes, nil, 0) }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }
}

/// The event that goes inbound through a pipeline when the handshake is done.
public struct TLSHandshakeDone: Sendable {
    public let peer: TLSPeer?
}
