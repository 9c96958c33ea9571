public import KubeClient

/// What a program of the control plane that labrun itself brings is started with.
///
/// It is a file of mode 0600 on the lab's own file system: there are keys in it.
public struct ServerConfiguration: Codable, Sendable {
    /// The API server and the program's user there.
    public var server: KubeServer
    /// The port on 127.0.0.1 where it tells its health over TLS.
    public var healthPort: UInt16
    /// What it serves its health with.
    public var servingCertificatePEM: String
    public var servingKeyPEM: String
    /// The program's own settings as JSON text.
    public var settings: String

    public init(
        server: KubeServer, healthPort: UInt16, servingCertificatePEM: String, servingKeyPEM: String, settings: String
    ) {
        self.server = server
        self.healthPort = healthPort
        self.servingCertificatePEM = servingCertificatePEM
        self.servingKeyPEM = servingKeyPEM
        self.settings = settings
    }
}
