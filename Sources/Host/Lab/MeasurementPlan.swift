import Matrix
import Readings

/// What is to be measured: ordered pairs of endpoints over every protocol, and requests.
public struct MeasurementPlan: Sendable {
    public struct Pair: Sendable, Hashable {
        public let from: Endpoint
        public let to: Endpoint
        public init(from: Endpoint, to: Endpoint) {
            self.from = from
            self.to = to
        }
    }
    /// A request between one pair.
    public struct Request: Sendable, Hashable {
        public let pair: Pair
        public let request: ProbeRequest
        public init(pair: Pair, request: ProbeRequest) {
            self.pair = pair
            self.request = request
        }
    }
    public let pairs: [Pair]
    public let protocols: [ProbeProtocol]
    public let deadline: Duration
    public let count: Int
    /// Addresses of pods that may answer for a service, by the endpoint's id.
    public let backends: [String: Set<String>]
    public let requests: [Request]
    public init(
        pairs: [Pair], protocols: [ProbeProtocol], deadline: Duration, count: Int,
        backends: [String: Set<String>] = [:],
        requests: [Request] = []
    ) {
        self.requests = requests
        self.pairs = pairs
        self.protocols = protocols
        self.deadline = deadline
        self.count = count
        self.backends = backends
    }

    /// How many cells the pairs make; requests come on top.
    public var cellCount: Int { pairs.reduce(0) { $0 + $1.to.answered(of: protocols).count } }
}
