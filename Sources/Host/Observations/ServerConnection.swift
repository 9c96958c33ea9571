/// How a node's agent stands with its API server, by its own status.
public struct ServerConnection: Sendable, Hashable {
    /// `https://10.0.9.4:6443`
    public var server: String
    public var isConnected: Bool
    /// Why it is not connected, in the words of the request that failed.
    public var reason: String?
    /// How many watches it has begun, and how many of their events it has taken, since its start.
    public var watches: Int
    public var events: Int

    public init(server: String, isConnected: Bool, reason: String?, watches: Int, events: Int) {
        self.server = server
        self.isConnected = isConnected
        self.reason = reason
        self.watches = watches
        self.events = events
    }

    package var words: String {
        let state = isConnected ? "connected to \(server)" : "not connected to \(server)"
        let told = "\(watches) watches begun, \(events) events taken since its start"
        return "\(state)\(reason.map { ": \($0)" } ?? ""); \(told)"
    }
}
