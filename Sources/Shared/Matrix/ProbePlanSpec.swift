import Readings

/// Which endpoints are probed against which.
public struct ProbePlanSpec: Codable, Sendable {
    public struct Pair: Codable, Sendable {
        public var from: EndpointSelector
        public var to: EndpointSelector
        public init(from: EndpointSelector, to: EndpointSelector) {
            self.from = from
            self.to = to
        }
    }
    public var pairs: [Pair]
    public var protocols: [ProbeProtocol]
    /// How long an answer may take, seconds.
    public var deadline: Double
    /// Packets of UDP and ICMP a cell.
    public var count: Int
    /// Queries, requests and connections that are measured besides.
    public var requests: [ProbeRequest]
    /// pods → pods and nodes → nodes, all protocols, one second, one packet.
    public init(
        pairs: [Pair] = [
            Pair(from: EndpointSelector(kind: .pod), to: EndpointSelector(kind: .pod)),
            Pair(from: EndpointSelector(kind: .node), to: EndpointSelector(kind: .node)),
        ],
        protocols: [ProbeProtocol] = ProbeProtocol.echoed, deadline: Double = 1, count: Int = 1,
        requests: [ProbeRequest] = []
    ) {
        self.requests = requests
        self.pairs = pairs
        self.protocols = protocols
        self.deadline = deadline
        self.count = count
    }
}

extension ProbePlanSpec {
    /// The cells that are measured: every ordered pair of two endpoints that a probe pair selects, over every protocol,
    /// at the destination's port (ICMP: 0), each once; by source, then destination, then protocol.
    public func cells(among endpoints: [Endpoint]) -> [(from: Endpoint, to: Endpoint, key: CellKey)] {
        measuredPairs(among: endpoints).flatMap { from, to in
            endpoints[to].answered(of: protocols).map { proto in
                let port = proto == .icmp ? 0 : endpoints[to].port
                let key = CellKey(from: endpoints[from].id, to: endpoints[to].id, protocol: proto, port: port)
                return (endpoints[from], endpoints[to], key)
            }
        }
    }

    /// The ordered pairs that are measured, as indices of endpoints.
    public func measuredPairs(among endpoints: [Endpoint]) -> [(from: Int, to: Int)] {
        let selections = pairs.map { pair in
            (from: endpoints.map(pair.from.matches), to: endpoints.map(pair.to.matches))
        }
        return endpoints.indices.flatMap { from in
            guard endpoints[from].isSender else { return [(from: Int, to: Int)]() }
            let from = (index: from, selections: selections.filter { $0.from[from] })
            return endpoints.indices.compactMap { to in
                to != from.index && from.selections.contains { $0.to[to] } ? (from: from.index, to: to) : nil
            }
        }
    }
}
