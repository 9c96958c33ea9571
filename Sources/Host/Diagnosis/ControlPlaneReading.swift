import Readings

/// What was read of the lab's control plane while agents could not ask it.
public struct ControlPlaneReading: Codable, Sendable {
    /// A program of the control plane, by its process.
    public struct Server: Codable, Sendable, Hashable {
        public enum State: String, Codable, Sendable {
            case running
            /// The process is there, and none of its threads may run (state `T`).
            case stopped
            case ended
        }
        /// `kube-apiserver`, `etcd`, …
        public var name: String
        public var state: State

        public init(name: String, state: State) {
            self.name = name
            self.state = state
        }
    }

    /// What the API server said when the harness asked for `/readyz`.
    public struct Answer: Codable, Sendable, Hashable {
        public var isHealthy: Bool
        /// `ok`, or why there is none: `status 500: …`, or what kept the question from being answered.
        public var words: String
        /// Whether the server said something.
        var isAnswer: Bool { isHealthy || words.hasPrefix("status ") }

        public init(isHealthy: Bool, words: String) {
            self.isHealthy = isHealthy
            self.words = words
        }
    }

    /// The name of the API server's host in the captures of the cloud.
    public var place: String
    /// The API server's own dotted address.
    public var address: String
    public var port: UInt16
    public var servers: [Server]
    /// The answer to a question that was asked on the API server's own host.
    public var beside: Answer
    /// The answer to a question that was asked at the VPC's router and came over the wire.
    public var onTheWire: Answer

    public init(
        place: String, address: String, port: UInt16, servers: [Server], beside: Answer, onTheWire: Answer
    ) {
        self.place = place
        self.address = address
        self.port = port
        self.servers = servers
        self.beside = beside
        self.onTheWire = onTheWire
    }

    func state(of server: String) -> Server.State? { servers.first { $0.name == server }?.state }

    /// `10.0.9.4:6443`
    var endpoint: String { "\(address):\(port)" }

    /// What the two questions say, in sentences.
    var answers: [String] {
        [
            "asked for /readyz on its own host, the API server " + Self.words(beside),
            "asked for it from the VPC's router over the wire, it " + Self.words(onTheWire),
        ]
    }

    private static func words(_ answer: Answer) -> String {
        answer.isHealthy ? "says ok" : "does not: \(answer.words)"
    }
}

/// How an agent stands with its API server, by its own status.
public struct ServerConnectionReading: Codable, Sendable, Hashable {
    /// Whom it asks: `https://10.0.9.4:6443`.
    public var server: String
    public var isConnected: Bool
    /// For how many seconds that has been so.
    public var seconds: Double
    /// Why it is not connected, in the words of the request that failed last. It is nil if it is connected, or if no
    /// request has failed yet.
    public var reason: String?

    public init(server: String, isConnected: Bool, seconds: Double, reason: String?) {
        self.server = server
        self.isConnected = isConnected
        self.seconds = seconds
        self.reason = reason
    }

    /// The host and the port that it asks, or nil if these cannot be read.
    public var endpoint: (host: String, port: UInt16)? {
        let authority = server.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first ?? ""
        guard let colon = authority.lastIndex(of: ":"), let port = UInt16(authority[authority.index(after: colon)...])
        else { return nil }
        return (String(authority[..<colon]), port)
    }
}
