public import AgentAPI
import NetAddress
public import KubeObjects
public import ServedObjects

/// What the agents of a cluster tell of themselves: their nodes and their endpoints.
public struct ClusterView: Sendable {
    public private(set) var nodes: [String: CiliumNode] = [:]
    public private(set) var endpoints: [ObjectKey: CiliumEndpoint] = [:]

    public init() {}

    /// What a node takes from a view.
    public struct Announcement: Sendable, Equatable {
        public var nodes: [NodeEntry] = []
        public var entries: [IPCacheEntry] = []
        /// What was left out because it contradicts something else, in one sentence each.
        public var problems: [String] = []
        /// The problem among them that is about this node itself.
        public var ownConflict: String?
    }

    /// - Parameter unreadable: Objects of the list that cannot be read. They stay as they were known.
    mutating func listNodes(_ list: [CiliumNode], unreadable: [ObjectKey] = []) {
        let kept = Set(unreadable.map(\.name))
        nodes = nodes.filter { kept.contains($0.key) }
        for node in list { set(node) }
    }

    mutating func set(_ node: CiliumNode) { nodes[node.metadata.name] = node }
    mutating func removeNode(_ name: String) { nodes[name] = nil }

    /// - Parameter unreadable: Objects of the list that cannot be read. They stay as they were known.
    mutating func listEndpoints(_ list: [CiliumEndpoint], unreadable: [ObjectKey] = []) {
        let kept = Set(unreadable)
        endpoints = endpoints.filter { kept.contains($0.key) }
        for endpoint in list { set(endpoint) }
    }

    mutating func set(_ endpoint: CiliumEndpoint) { endpoints[endpoint.key] = endpoint }
    mutating func removeEndpoint(_ key: ObjectKey) { endpoints[key] = nil }

    /// Returns the nodes that are complete and the endpoints of other nodes.
    ///
    /// Nodes that contradict this node or one that was named before are left out, so that no mistake of one keeps the
    /// others from being known.
    ///
    /// - Parameter labels: The labels of an identity as the server has it.
    public func announcement(for own: NodeEntry, labels: (UInt32) -> [String]?) -> Announcement {
        var result = Announcement()
        var taken: [(range: IPv4CIDR, name: String)] = []
        if let range = IPv4CIDR(own.podCIDR) { taken.append((range.network, own.name)) }
        var reserved: Set<String> = [own.address, own.routerAddress, own.healthAddress]
        for (name, node) in nodes.sorted(by: { $0.key < $1.key }) {
            guard let entry = Self.entry(node) else { continue }
            if name != own.name {
                if let (problem, isOwn) = Self.contradiction(entry, own, &taken) {
                    result.problems.append(problem)
                    if isOwn { result.ownConflict = result.ownConflict ?? problem }
                    continue
                }
                reserved.formUnion([entry.address, entry.routerAddress, entry.healthAddress])
            }
            result.nodes.append(entry)
        }
        var known: [UInt32: [String]] = [:]
        var holders: [String: CiliumEndpoint] = [:]
        for endpoint in endpoints.values.sorted(by: { $0.isBefore($1) }) {
            guard endpoint.node != own.address, IPv4Address(endpoint.node) != nil,
                IdentityNumber.range.contains(endpoint.identity)
            else { continue }
            known[endpoint.identity] = known[endpoint.identity] ?? labels(endpoint.identity) ?? endpoint.labels
            // The endpoint that was written last has the address.
            for address in endpoint.addresses where IPv4Address(address) != nil && !reserved.contains(address) {
                holders[address] = endpoint
            }
        }
        result.entries = holders.sorted { $0.key < $1.key }.map { address, endpoint in
            let labels = known[endpoint.identity] ?? []
            return IPCacheEntry(
                address: address, prefix: 32, identity: endpoint.identity, tunnelEndpoint: endpoint.node,
                labels: labels.isEmpty ? nil : labels)
        }
        return result
    }

    /// Another node's object as agents know nodes; nil while the object does not say everything.
    static func entry(_ node: CiliumNode) -> NodeEntry? {
        guard let address = node.internalIP, let router = node.routerIP, let health = node.health,
            let parsedRouter = IPv4Address(router), IPv4Address(address) != nil, IPv4Address(health) != nil
        else { return nil }
        // With addresses of the cloud's interfaces a node has no range.
        let range = node.podCIDRs.first ?? "\(parsedRouter)/32"
        guard let parsed = IPv4CIDR(range), parsed.prefixLength >= 8 else { return nil }
        return NodeEntry(
            name: node.metadata.name, address: address, podCIDR: parsed.network.description, routerAddress: router,
            healthAddress: health)
    }

    private static func contradiction(
        _ entry: NodeEntry, _ own: NodeEntry, _ taken: inout [(range: IPv4CIDR, name: String)]
    ) -> (problem: String, isOwn: Bool)? {
        if entry.address == own.address { return ("node \(entry.name) says that it has this node's address", true) }
        guard let range = IPv4CIDR(entry.podCIDR)?.network else { return nil }
        if let other = taken.first(where: { $0.range.contains(range) || range.contains($0.range) }) {
            let whose = other.name == own.name ? "this node" : "node \(other.name)"
            return ("node \(entry.name) says that it has \(range), which \(whose) has", other.name == own.name)
        }
        taken.append((range, entry.name))
        return nil
    }
}

extension CiliumEndpoint {
    public var key: ObjectKey { ObjectKey(namespace: metadata.namespace, name: metadata.name) }

    /// Whether it was written before another one, as far as resource versions tell.
    fileprivate func isBefore(_ other: CiliumEndpoint) -> Bool {
        let (one, two) = (UInt64(metadata.resourceVersion) ?? 0, UInt64(other.metadata.resourceVersion) ?? 0)
        return one == two ? key < other.key : one < two
    }
}
