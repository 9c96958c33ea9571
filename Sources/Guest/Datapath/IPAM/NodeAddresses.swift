import NetAddress

/// The source of a node's pod addresses, by `ipam.mode`.
enum NodeAddresses: Sendable {
    /// A range of the node's own (`cluster-pool`, `kubernetes`).
    case range(AddressPool)
    /// The cloud's network interfaces (`eni`).
    case interfaces(InterfacePool)

    /// Nil unless addresses come from the cloud's interfaces.
    var interfacePool: InterfacePool? {
        guard case .interfaces(let pool) = self else { return nil }
        return pool
    }

    var router: IPv4Address {
        switch self {
        case .range(let pool): pool.router
        case .interfaces(let pool): pool.router
        }
    }

    var health: IPv4Address {
        switch self {
        case .range(let pool): pool.health
        case .interfaces(let pool): pool.health
        }
    }

    /// The largest number of addresses in use, including the router's and the health endpoint's.
    var capacity: Int {
        switch self {
        case .range(let pool): pool.capacity
        case .interfaces(let pool): pool.capacity
        }
    }

    var inUse: Int {
        switch self {
        case .range(let pool): pool.inUse
        case .interfaces(let pool): pool.inUse
        }
    }

    mutating func allocate() throws(DatapathError) -> IPv4Address {
        switch self {
        case .range(var pool):
            defer { self = .range(pool) }
            return try pool.allocate()
        case .interfaces(var pool):
            defer { self = .interfaces(pool) }
            return try pool.allocate()
        }
    }

    mutating func restore(_ address: IPv4Address) -> Bool {
        switch self {
        case .range(var pool):
            defer { self = .range(pool) }
            return pool.restore(address)
        case .interfaces(var pool):
            defer { self = .interfaces(pool) }
            return pool.restore(address)
        }
    }

    mutating func release(_ address: IPv4Address) {
        switch self {
        case .range(var pool):
            pool.release(address)
            self = .range(pool)
        case .interfaces(var pool):
            pool.release(address)
            self = .interfaces(pool)
        }
    }

    /// Changes the pool of the cloud's interfaces. Returns nil if there is none.
    mutating func withInterfaces<Result>(_ body: (inout InterfacePool) -> Result) -> Result? {
        guard case .interfaces(var pool) = self else { return nil }
        defer { self = .interfaces(pool) }
        return body(&pool)
    }
}
