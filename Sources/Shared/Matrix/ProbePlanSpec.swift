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
    /// How long an answer may take, in seconds.
    public var deadline: Double
    /// The number of UDP and ICMP packets for a cell.
    public var count: Int
    /// Queries, requests and connections that are measured as well.
    public var requests: [ProbeRequest]
    /// By default pods are probed from pods and nodes from nodes, over all protocols, with one packet and a deadline of
    /// one second.
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
    /// Returns the cells that are measured: every ordered pair of endpoints that a probe pair selects, over every
    /// protocol, at the destination's port (0 for ICMP). Each is listed once, sorted by source, then destination, then
    /// protocol.
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
