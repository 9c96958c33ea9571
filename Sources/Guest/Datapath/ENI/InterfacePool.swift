public import CloudAPI
public import NetAddress

/// The addresses of the cloud's network interfaces that a node's pods may have (`ipam.mode: eni`). It is pure.
///
/// Pods get secondary addresses and those of delegated prefixes. The router and the health endpoint take two before any
/// pod does. An address that was released is given out again as late as possible.
public struct InterfacePool: Sendable {
    /// A network interface with addresses for pods.
    public struct Interface: Sendable, Hashable {
        /// `eni-…`
        public let id: String
        /// The device number; 0 is the node's first one.
        public let number: Int
        public let addresses: Set<IPv4Address>
    }

    public let router: IPv4Address
    public let health: IPv4Address
    public private(set) var interfaces: [Interface] = []
    /// The cloud's last answer.
    public private(set) var instance: CloudInstance
    /// Why the cloud gives no more, for example the instance type's limit or a full subnet; nil while it may.
    public var limit: String?
    /// The failure of the last request for more; nil if there was none.
    public var failure: String?
    /// The number of pods that were refused since the cloud was asked last.
    public private(set) var refused = 0
    private var used: Set<IPv4Address>
    private var free: [IPv4Address] = []
    /// Addresses that are being given back to the cloud.
    private var withheld: Set<IPv4Address> = []

    public init(_ instance: CloudInstance, firstInterface: Int, router: IPv4Address, health: IPv4Address) {
        self.router = router
        self.health = health
        self.instance = instance
        used = [router, health]
        update(instance, firstInterface: firstInterface)
    }

    /// Returns the addresses that pods may have, by interface.
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

    /// Takes over the present answer of the cloud.
    public mutating func update(_ instance: CloudInstance, firstInterface: Int) {
        self.instance = instance
        interfaces = Self.interfaces(of: instance, from: firstInterface)
        let all = interfaces.reduce(into: Set<IPv4Address>()) { $0.formUnion($1.addresses) }
        let takeable = all.subtracting(used).subtracting(withheld)
        free.removeAll { !takeable.contains($0) }
        let known = Set(free)
        for interface in interfaces {
            free += interface.addresses.intersection(takeable).subtracting(known).sorted()
        }
    }

    /// Notes that the cloud was asked, which covers the refusals so far.
    public mutating func noteAsked() { refused = 0 }

    /// The largest number of addresses in use at present, including the router's and the health endpoint's.
    public var capacity: Int { interfaces.reduce(0) { $0 + $1.addresses.count } }
    public var inUse: Int { used.count }
    public var addressesInUse: Set<IPv4Address> { used }

    /// Returns the interface that an address belongs to, or nil if the cloud took the address away.
    public func interface(of address: IPv4Address) -> Interface? { interfaces.first { $0.addresses.contains(address) } }

    /// Returns the next free address.
    ///
    /// - Throws: `DatapathError.interfacesExhausted` if the cloud gives no more, `.addressesPending` if it is being
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

    /// Takes an address that an endpoint held before the agent restarted. Returns false if it is no longer the node's,
    /// or in use already.
    public mutating func restore(_ address: IPv4Address) -> Bool {
        guard interface(of: address) != nil, used.insert(address).inserted else { return false }
        free.removeAll { $0 == address }
        return true
    }

    /// Gives an address back. The router's and the health endpoint's always stay.
    public mutating func release(_ address: IPv4Address) {
        guard address != router, address != health, used.remove(address) != nil, interface(of: address) != nil else {
            return
        }
        free.append(address)
    }

    /// Withholds free addresses while the cloud takes them back.
    ///
    /// - Returns: False, with nothing withheld, if one of them is in use.
    public mutating func withhold(_ addresses: Set<IPv4Address>) -> Bool {
        guard used.isDisjoint(with: addresses) else { return false }
        withheld = addresses
        free.removeAll { addresses.contains($0) }
        return true
    }

    /// Ends the withholding. The next update tells which of the addresses still exist.
    public mutating func endWithholding() { withheld = [] }
}
