import AgentAPI
import DatapathModel
import NetAddress

/// What the ipcache map must hold, derived from what the node knows; pure.
public enum IPCachePlan {
    public struct Value: Hashable, Sendable {
        public var identity: UInt32
        /// Underlay address to encapsulate to; nil: no tunnel.
        public var tunnelEndpoint: IPv4Address?
        public init(identity: UInt32, tunnelEndpoint: IPv4Address?) {
            self.identity = identity
            self.tunnelEndpoint = tunnelEndpoint
        }
    }

    public struct Difference: Equatable, Sendable {
        /// New or changed.
        public var set: [IPv4CIDR: Value] = [:]
        public var remove: Set<IPv4CIDR> = []
    }

    /// The whole content. Own addresses win over what others say about them; a remote endpoint wins over its node's
    /// range because its prefix is longer.
    ///
    /// - Parameters:
    ///   - ranges: address ranges that policies name, with their identities; what is known better wins over them.
    ///   - apiServers: addresses of the Kubernetes API server, on nodes or outside.
    ///   - isTunnelled: whether other nodes' pods are reached through the overlay; else by the node's routes.
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
            // Pushed lists may name this node's own endpoints too; about those it knows better.
            if tunnel == ownAddress || ownRange.contains(prefix) { continue }
            content[prefix.network] = Value(
                identity: entry.identity, tunnelEndpoint: isTunnelled ? tunnel : nil)
        }
        for address in apiServers {
            // Where the address is reached stays as it is, only who it is changes.
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
            // Inside of a node's range an entry would hide the way there: pods have identities of their own.
            let isPods = content.contains { $0.value.tunnelEndpoint != nil && $0.key.contains(range) }
            if !isPods, !ownRange.contains(range) { content[range] = Value(identity: identity, tunnelEndpoint: nil) }
        }
        return content
    }

    /// What to change, so that entries that stay are never absent for a moment.
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
