import Readings

/// Selects endpoints. Every given part must hold; without any part it selects all endpoints.
public struct EndpointSelector: Codable, Sendable, Hashable {
    public var kind: EndpointKind?
    /// Endpoint ids, exactly.
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

/// Where the two ends of a cell are, relative to each other.
public enum Placement: String, Codable, Sendable, CaseIterable {
    case sameNode = "same-node"
    case crossNode = "cross-node"

    public func matches(_ from: Endpoint, _ to: Endpoint) -> Bool {
        let same = from.node != nil && from.node == to.node
        return self == .sameNode ? same : !same
    }
}
