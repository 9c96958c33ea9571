public import CloudAPI
public import NetAddress

/// Addresses of the cloud's network interfaces that a node's pods may have (`ipam.mode: eni`); pure.
///
/// Pods get secondary addresses and those of delegated prefixes. Two are taken before any pod's: the router's and the
/// health endpoint's. An address that was released is handed out again as late as possible.
public struct InterfacePool: Sendable {
    /// A network interface with addresses for pods.
    public struct Interface: Sendable, Hashable {
        /// `eni-…`
        public let id: String
        /// 0 is the node's first one.
        public let number: Int
        public let addresses: Set<IPv4Address>
    }

    public let router: IPv4Address
    public let health: IPv4Address
    public private(set) var interfaces: [Interface] = []
    /// Why the cloud gives no more: the instance type's limit, a full subnet. Nil while more can be asked for.
    public var limit: String?
    /// What went wrong when more was asked for last; nil when nothing did.
    public var failure: String?
    /// Pods that were refused since the cloud was asked last.
    public private(set) var refused = 0
    private var used: Set<IPv4Address>
    private var free: [IPv4Address] = []
    /// Given back to the cloud at this moment.
    private var withheld: Set<IPv4Address> = []

    public init(_ instance: CloudInstance, firstInterface: Int, router: IPv4Address, health: IPv4Address) {
        self.router = router
        self.health = health
        used = [router, health]
        update(instance, firstInterface: firstInterface)
    }

    /// The addresses that pods may have, by interface.
    public static func interfaces(of instance: CloudInstance, from first: Int) -> [Interface] {
        instance.interfaces.compactMap { interface in
            guard let number = interface.deviceIndex, number >= first else { return nil }
            let prefixes = interface.prefixes.compactMap { IPv4CIDR($0)?.network }
            let delegated = prefixes.flatMap { prefix in
                (prefix.address.rawValue...prefix.broadcast.rawValue).prefix(256).map { IPv4Address(rawValue: $0) }
            }
            return Interface(
                id: interface.id, number: number,
                addresses: Set(interface.secondaryAddresses.compactMap { IPv4Address($0) } + delegated))
        }.sorted { $0.number < $1.number }
    }

    /// Takes over what the cloud says now.
    public mutating func update(_ instance: CloudInstance, firstInterface: Int) {
        interfaces = Self.interfaces(of: instance, from: firstInterface)
        let all = interfaces.reduce(into: Set<IPv4Address>()) { $0.formUnion($1.addresses) }
        let takeable = all.subtracting(used).subtracting(withheld)
        free.removeAll { !takeable.contains($0) }
        let known = Set(free)
        for interface in interfaces {
            free += interface.addresses.intersection(takeable).subtracting(known).sorted()
        }
    }

    /// The cloud was asked: refusals until now are answered.
    public mutating func noteAsked() { refused = 0 }

    /// Addresses that can be in use at most now, router and health endpoint included.
    public var capacity: Int { interfaces.reduce(0) { $0 + $1.addresses.count } }
    public var inUse: Int { used.count }
    public var addressesInUse: Set<IPv4Address> { used }

    /// The interface that an address belongs to; nil for an address that the cloud took away.
    public func interface(of address: IPv4Address) -> Interface? { interfaces.first { $0.addresses.contains(address) } }

    /// The next free address.
    ///
    /// - Throws: `DatapathError.interfacesExhausted` when the cloud gives no more, `.addressesPending` when it is being
    ///   asked.
    public mutating func allocate() throws(DatapathError) -> IPv4Address {
        guard !free.isEmpty else {
            refused += 1
            if let limit { throw .interfacesExhausted(inUse: inUse, limit: limit) }
            throw .addressesPending(inUse: inUse, failure: failure)
        }
        let address = free.removeFirst()
        used.insert(address)
        return address
    }

    /// Takes an address that an endpoint held before the agent was started anew. False when it is not the node's any
    /// more, or in use already.
    public mutating func restore(_ address: IPv4Address) -> Bool {
        guard interface(of: address) != nil, used.insert(address).inserted else { return false }
        free.removeAll { $0 == address }
        return true
    }

    /// Gives an address back; the router's and the health endpoint's stay.
    public mutating func release(_ address: IPv4Address) {
        guard address != router, address != health, used.remove(address) != nil, interface(of: address) != nil else {
            return
        }
        free.append(address)
    }

    /// Keeps free addresses from being handed out while the cloud takes them back.
    ///
    /// - Returns: false, and nothing is kept, when one of them is in use.
    public mutating func withhold(_ addresses: Set<IPv4Address>) -> Bool {
        guard used.isDisjoint(with: addresses) else { return false }
        withheld = addresses
        free.removeAll { addresses.contains($0) }
        return true
    }

    /// What was withheld is gone, or may be handed out again: the next update says which.
    public mutating func endWithholding() { withheld = [] }
}
