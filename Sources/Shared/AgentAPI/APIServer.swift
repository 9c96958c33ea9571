/// Where the API server is that an agent is a client of, and who the agent is there.
public struct APIServerAccess: Codable, Sendable, Equatable {
    /// `k8sServiceHost` of the chart: an IPv4 address in dotted form.
    public var host: String
    /// `k8sServicePort` of the chart.
    public var port: UInt16
    /// The certificates of the authorities that may have signed the server's certificate, in PEM.
    public var authorityPEM: String
    /// The path of a file with the token of a service account.
    public var tokenFile: String?
    /// The token itself, for an agent that is no pod.
    public var token: String?

    public init(host: String, port: UInt16, authorityPEM: String, tokenFile: String? = nil, token: String? = nil) {
        self.host = host
        self.port = port
        self.authorityPEM = authorityPEM
        self.tokenFile = tokenFile
        self.token = token
    }
}

/// How an agent stands with its API server.
public struct APIServerStatus: Codable, Sendable, Equatable {
    /// `https://10.0.9.4:6443`
    public var server: String
    /// Whether every watch that the agent needs is open.
    public var isConnected: Bool
    /// Since when that is so, in milliseconds.
    public var sinceMillis: Int
    /// Why it is not connected, in the words of the failed request; nil if it is.
    public var reason: String?
    /// How many lists and watches it has asked for since its start.
    public var lists: Int
    public var watches: Int
    /// How many events of watches it has taken.
    public var events: Int
    /// How many objects could not be read, and the last reason.
    public var unreadable: Int
    public var lastUnreadable: String?
    /// The server's version and platform as it told last: `1.20 (v1.20.2) [linux/amd64]`.
    public var version: String?

    public init(
        server: String, isConnected: Bool, sinceMillis: Int, reason: String?, lists: Int, watches: Int, events: Int,
        unreadable: Int = 0, lastUnreadable: String? = nil
    ) {
        self.server = server
        self.isConnected = isConnected
        self.sinceMillis = sinceMillis
        self.reason = reason
        self.lists = lists
        self.watches = watches
        self.events = events
        self.unreadable = unreadable
        self.lastUnreadable = lastUnreadable
    }
}
