import NetAddress

/// The addresses of one node's pod range (`ipam.mode: cluster-pool`).
///
/// The first host address is the router's and the second the health endpoint's. Network and broadcast address are never
/// given out. Allocation goes round the range: an address that was released is given out again as late as possible, so
/// that a peer's neighbour entry or connection does not meet a stranger.
public struct AddressPool: Sendable {
    public let cidr: IPv4CIDR
    public let router: IPv4Address
    public let health: IPv4Address
    private var used: Set<IPv4Address>
    private var last: UInt32

    /// - Throws: `DatapathError.invalidConfiguration` if the prefix is longer than /29 or shorter than /8.
    public init(_ cidr: IPv4CIDR) throws(DatapathError) {
        guard (8...29).contains(cidr.prefixLength), let router = cidr.host(1), let health = cidr.host(2) else {
            throw .invalidConfiguration("podCIDR \(cidr): the prefix length must be 8 to 29")
        }
        self.cidr = cidr.network
        self.router = router
        self.health = health
        used = [router, health]
        last = 2
    }

    /// The largest number of addresses in use, including the router's and the health endpoint's.
    public var capacity: Int { Int(lastHost) }
    public var inUse: Int { used.count }

    /// Returns the next free address.
    ///
    /// - Throws: `DatapathError.addressesExhausted`.
    public mutating func allocate() throws(DatapathError) -> IPv4Address {
        for step in 1...lastHost {
            let offset = (last - 1 + step) % lastHost + 1
            guard let address = cidr.host(offset), !used.contains(address) else { continue }
            used.insert(address)
            last = offset
            return address
        }
        throw .addressesExhausted(pool: cidr.description, inUse: used.count)
    }

    /// Takes an address that an endpoint held before the agent restarted. Returns false if it is outside of the pool or
    /// in use already.
    public mutating func restore(_ address: IPv4Address) -> Bool {
        guard cidr.contains(address), used.insert(address).inserted else { return false }
        last = max(last, address.rawValue - cidr.address.rawValue)
        return true
    }

    /// Gives an address back. The router's and the health endpoint's always stay.
    public mutating func release(_ address: IPv4Address) {
        guard address != router, address != health else { return }
        used.remove(address)
    }

    private var lastHost: UInt32 { ~cidr.mask.rawValue - 1 }
}
