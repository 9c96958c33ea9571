/// Where an API server is, how it proves who it is, and who the client is there.
///
/// Its texts, also those of `dump` and of string interpolation, name no secret.
public struct KubeServer: Sendable, Codable, Hashable {
    /// An IPv4 address in dotted form, such as `10.0.0.10`. The server's certificate must be for this address.
    public var host: String
    public var port: UInt16
    /// The certificates of the authorities that may have signed the server's certificate, in PEM, one after the other.
    public var authorityPEM: String
    public var credential: KubeCredential

    public init(host: String, port: UInt16, authorityPEM: String, credential: KubeCredential) {
        self.host = host
        self.port = port
        self.authorityPEM = authorityPEM
        self.credential = credential
    }
}

extension KubeServer: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "https://\(authority)" }
    /// The address as it is in URLs and messages.
    var authority: String { "\(host):\(port)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["address": description]) }
}

/// Who a client is.
public enum KubeCredential: Sendable, Codable, Hashable {
    /// A certificate with the certificates between it and the authority, leaf first, and its private key, all in PEM.
    case certificate(chainPEM: String, keyPEM: String)
    /// A bearer token.
    case token(String)
    /// The path of a file with a bearer token, such as a service account's in a pod. The file is read again from time
    /// to time, because tokens are replaced before they expire.
    case tokenFile(String)
    /// Nobody. The server takes the request for one of `system:anonymous`, or refuses it.
    case none
}

extension KubeCredential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String {
        switch self {
        case .certificate: "a client certificate"
        case .token: "a bearer token"
        case .tokenFile(let path): "the token of \(path)"
        case .none: "no credential"
        }
    }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["kind": description]) }
}
