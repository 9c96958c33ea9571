import AgentAPI
import DatapathModel
import NetAddress

/// The intended content of the ipcache map, derived from what the node knows. It is pure.
public enum IPCachePlan {
    public struct Value: Hashable, Sendable {
        public var identity: UInt32
        /// The underlay address to encapsulate to, or nil if packets are not encapsulated.
        public var tunnelEndpoint: IPv4Address?
        public init(identity: UInt32, tunnelEndpoint: IPv4Address?) {
            self.identity = identity
            self.tunnelEndpoint = tunnelEndpoint
        }
    }

    public struct Difference: Equatable, Sendable {
        /// The new or changed entries.
        public var set: [IPv4CIDR: Value] = [:]
        public var remove: Set<IPv4CIDR> = []
    }

    /// Returns the whole content. The node's own addresses win over what others say about them. A remote endpoint wins
    /// over its node's range, because its prefix is longer.
    ///
    /// - Parameters:
    ///   - ranges: Address ranges that policies mention, with their identities. Anything known more precisely wins over
    ///     them.
    ///   - apiServers: The addresses of the Kubernetes API server, on nodes or outside.
    ///   - isTunnelled: Says whether other nodes' pods are reached through the overlay. Otherwise the node's routes
    ///     lead there.
    ///
    /// - Throws: `DatapathError.invalidConfiguration` that names the entry with a malformed address.
    static func desired(
        own: NodeEntry, nodes: [NodeEntry], remote: [AgentAPI.IPCacheEntry], endpoints: [EndpointRecord],
        ranges: [IPv4CIDR: UInt32] = [:], apiServers: [IPv4Address] = [], isTunnelled: Bool = true
    ) throws(DatapathError) -> [IPv4CIDR: Value] {
        var content: [IPv4CIDR: Value] = [:]
        let ownAddress = try address(own.address, of: own.name)
        let ownRange = try range(own.podCIDR, of: own.name)
        for node in nodes where node.name != own.name {
            let underlay = try address(node.address, of: node.name)
            let range = try range(node.podCIDR, of: node.name)
            guard range != ownRange, underlay != ownAddress else {
                throw .invalidConfiguration("node \(node.name) has the address or podCIDR of this node")
            }
            let tunnel = isTunnelled ? underlay : nil
            content[range] = Value(identity: Identity.unmanaged.rawValue, tunnelEndpoint: tunnel)
            content[IPv4CIDR(host: try address(node.routerAddress, of: node.name))] =
                Value(identity: Identity.remoteNode.rawValue, tunnelEndpoint: tunnel)
            content[IPv4CIDR(host: try address(node.healthAddress, of: node.name))] =
                Value(identity: Identity.health.rawValue, tunnelEndpoint: tunnel)
            content[IPv4CIDR(host: underlay)] = Value(identity: Identity.remoteNode.rawValue, tunnelEndpoint: nil)
        }
        for entry in remote {
            guard let prefix = IPv4CIDR(try address(entry.address, of: "ipcache entry"), prefixLength: entry.prefix)
            else { throw .invalidConfiguration("ipcache entry \(entry.address): prefix \(entry.prefix)") }
            let tunnel = try entry.tunnelEndpoint.map { (text) throws(DatapathError) in
                try address(text, of: "ipcache entry \(entry.address)")
            }
            // Announced lists may contain this node's own endpoints. The node itself knows more about those.
            if tunnel == ownAddress || ownRange.contains(prefix) { continue }
            content[prefix.network] = Value(
                identity: entry.identity, tunnelEndpoint: isTunnelled ? tunnel : nil)
        }
        for address in apiServers {
            // The way to the address stays the same. Only its identity changes.
            let host = IPv4CIDR(host: address)
            content[host] = Value(
                identity: Identity.kubeAPIServer.rawValue, tunnelEndpoint: content[host]?.tunnelEndpoint)
        }
        for endpoint in endpoints where endpoint.phase == .ready {
            content[IPv4CIDR(host: try address(endpoint.address, of: endpoint.name))] =
                Value(identity: endpoint.identity, tunnelEndpoint: nil)
        }
        content[IPv4CIDR(host: ownAddress)] = Value(identity: Identity.host.rawValue, tunnelEndpoint: nil)
        content[IPv4CIDR(host: try address(own.routerAddress, of: own.name))] =
            Value(identity: Identity.host.rawValue, tunnelEndpoint: nil)
        for (range, identity) in ranges where content[range] == nil {
            // Inside a node's range, an entry would hide the way to the node. Pods have identities of their own anyway.
            let isPods = content.contains { $0.value.tunnelEndpoint != nil && $0.key.contains(range) }
            if !isPods, !ownRange.contains(range) { content[range] = Value(identity: identity, tunnelEndpoint: nil) }
        }
        return content
    }

    /// Returns the changes. Entries that stay are not absent at any moment.
    public static func difference(
        from current: [IPv4CIDR: Value], to desired: [IPv4CIDR: Value]
    ) -> Difference {
        Difference(
            set: desired.filter { current[$0.key] != $0.value },
            remove: Set(current.keys).subtracting(desired.keys))
    }

    private static func address(_ text: String, of owner: String) throws(DatapathError) -> IPv4Address {
        guard let address = IPv4Address(text) else {
            throw .invalidConfiguration("\(owner): not an IPv4 address: \"\(text)\"")
        }
        return address
    }

    private static func range(_ text: String, of owner: String) throws(DatapathError) -> IPv4CIDR {
        guard let range = IPv4CIDR(text) else {
            throw .invalidConfiguration("\(owner): not an address range: \"\(text)\"")
        }
        return range.network
    }
}
