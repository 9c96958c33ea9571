/// An ordered pair of endpoints with a protocol and a port.
public struct CellKey: Codable, Sendable, Hashable {
    public let from: String
    public let to: String
    public let `protocol`: ProbeProtocol
    /// The destination port; 0 for ICMP.
    public let port: UInt16
    /// The name of the request with which it is measured; nil for an echo.
    public let request: String?

    public init(from: String, to: String, protocol: ProbeProtocol, port: UInt16, request: String? = nil) {
        self.request = request
        self.from = from
        self.to = to
        self.protocol = `protocol`
        self.port = port
    }
}
