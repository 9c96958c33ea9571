import Readings

/// Selects endpoints. An empty selector selects all. Every given part must match.
public struct EndpointSelector: Codable, Sendable, Hashable {
    public var kind: EndpointKind?
    /// The exact ids of endpoints.
    public var ids: [String]?
    public var nodes: [String]?
    public var namespace: String?
    public var labels: [String: String]

    public init(
        kind: EndpointKind? = nil, ids: [String]? = nil, nodes: [String]? = nil, namespace: String? = nil,
        labels: [String: String] = [:]
    ) {
        self.kind = kind
        self.ids = ids
        self.nodes = nodes
        self.namespace = namespace
        self.labels = labels
    }

    public func matches(_ endpoint: Endpoint) -> Bool {
        if let kind, endpoint.kind != kind { return false }
        if let ids, !ids.contains(endpoint.id) { return false }
        if let nodes, !nodes.contains(endpoint.node ?? "") { return false }
        if let namespace, endpoint.namespace != namespace { return false }
        return labels.allSatisfy { endpoint.labels[$0.key] == $0.value }
    }
}

/// The place of a cell's two ends relative to each other.
public enum Placement: String, Codable, Sendable, CaseIterable {
    case sameNode = "same-node"
    case crossNode = "cross-node"

    public func matches(_ from: Endpoint, _ to: Endpoint) -> Bool {
        let same = from.node != nil && from.node == to.node
        return self == .sameNode ? same : !same
    }
}

/// What a step expects of a set of cells. Later rules override earlier ones.
public struct ExpectationRule: Codable, Sendable, Hashable {
    public var from: EndpointSelector
    public var to: EndpointSelector
    /// The protocols; empty: all.
    public var protocols: [ProbeProtocol]
    public var port: UInt16?
    public var `where`: Placement?
    public var outcomes: [OutcomePattern]
    /// The source that the receiver must have seen; nil for the usual one.
    public var source: SourceExpectation?
    /// The names of the requests whose cells are meant; nil: any cell.
    public var requests: [String]?

    public init(
        from: EndpointSelector, to: EndpointSelector, protocols: [ProbeProtocol], port: UInt16?,
        where placement: Placement?,
        outcomes: [OutcomePattern], source: SourceExpectation? = nil, requests: [String]? = nil
    ) {
        self.requests = requests
        self.from = from
        self.to = to
        self.protocols = protocols
        self.port = port
        self.where = placement
        self.outcomes = outcomes
        self.source = source
    }

    /// - Parameter request: The name of the request with which the cell is measured.
    public func covers(
        _ from: Endpoint, _ to: Endpoint, _ proto: ProbeProtocol, _ port: UInt16, request: String? = nil
    ) -> Bool {
        if let requests, !requests.contains(request ?? "") { return false }
        return self.from.matches(from) && self.to.matches(to)
            && (protocols.isEmpty || protocols.contains(proto))
            && (self.port == nil || self.port == port)
            && (`where`?.matches(from, to) ?? true)
    }
}

extension [ExpectationRule] {
    /// Returns the outcomes that the last matching rule accepts; nil if no rule matches the cell.
    public func expectation(
        from: Endpoint, to: Endpoint, protocol proto: ProbeProtocol, port: UInt16
    ) -> [OutcomePattern]? {
        deciding(from: from, to: to, protocol: proto, port: port)?.outcomes
    }

    /// Returns the last matching rule; nil if no rule matches the cell.
    public func deciding(
        from: Endpoint, to: Endpoint, protocol proto: ProbeProtocol, port: UInt16, request: String? = nil
    ) -> ExpectationRule? {
        last { $0.covers(from, to, proto, port, request: request) }
    }
}
