public import CloudAPI
public import DatapathOptions
public import NetAddress

/// Decides what to ask the cloud for next, from what the node has and needs. It is pure. The rules are those of
/// Cilium's operator in ENI mode.
public enum InterfacePlan {
    public enum Step: Sendable, Hashable {
        case nothing
        case assign(interface: String, count: Int)
        case assignPrefixes(interface: String, count: Int)
        /// Plug in a new interface with this many secondary addresses or prefixes.
        case attach(count: Int, prefixes: Int)
        case unassign(interface: String, addresses: [String], prefixes: [String])
    }

    public struct Decision: Sendable, Hashable {
        public var step: Step
        /// Set if addresses are missing and the instance type allows no more.
        public var limit: String?
    }

    /// The number of addresses in a prefix that the cloud delegates.
    static let prefixAddresses = 16

    /// - Parameters:
    ///   - inUse: The addresses of pods, the router and the health endpoint.
    ///   - refused: The number of pods that wait for an address.
    ///   - usesPrefixes: Ask for prefixes instead of single addresses.
    ///   - releases: Addresses above the watermark may be given back now.
    public static func next(
        _ instance: CloudInstance, inUse: Set<IPv4Address>, refused: Int, options: DatapathOptions.ENI,
        usesPrefixes: Bool, releases: Bool
    ) -> Decision {
        let first = options.nodeSpec.firstInterfaceIndex
        let pools = InterfacePool.interfaces(of: instance, from: first)
        let available = pools.reduce(0) { $0 + $1.addresses.count }
        let free = available - pools.reduce(0) { $0 + $1.addresses.intersection(inUse).count }
        let needed = max(options.preAllocate - free, options.minAllocate - available, min(refused, 1) - free)
        guard needed > 0 else {
            let step = releases ? release(instance, pools, inUse, options, available: available, free: free) : nil
            return Decision(step: step ?? .nothing)
        }
        let wanted = needed + max(0, options.maxAboveWatermark)
        let prefixes = (wanted + prefixAddresses - 1) / prefixAddresses
        let perInterface = instance.limits.addressesPerInterface - 1
        for interface in instance.interfaces where (interface.deviceIndex ?? -1) >= first {
            let slots = perInterface - interface.secondaryAddresses.count - interface.prefixes.count
            guard slots > 0 else { continue }
            return Decision(
                step: usesPrefixes
                    ? .assignPrefixes(interface: interface.id, count: min(prefixes, slots))
                    : .assign(interface: interface.id, count: min(wanted, slots)))
        }
        guard instance.interfaces.count < instance.limits.interfaces, perInterface > 0 else {
            return Decision(step: .nothing, limit: limit(of: instance))
        }
        return Decision(
            step: usesPrefixes
                ? .attach(count: 0, prefixes: min(prefixes, perInterface))
                : .attach(count: min(wanted, perInterface), prefixes: 0))
    }

    /// `instance type t3.medium allows 3 network interfaces of 6 addresses each`
    public static func limit(of instance: CloudInstance) -> String {
        let limits = instance.limits
        return "instance type \(instance.instanceType) allows \(limits.interfaces) network interfaces of "
            + "\(limits.addressesPerInterface) addresses each"
    }

    /// Releases the free addresses above `preAllocate` and `maxAboveWatermark`, of the interface that has most of them.
    /// At least `minAllocate` are kept.
    private static func release(
        _ instance: CloudInstance, _ pools: [InterfacePool.Interface], _ inUse: Set<IPv4Address>,
        _ options: DatapathOptions.ENI, available: Int, free: Int
    ) -> Step? {
        let above = max(0, options.maxAboveWatermark)
        let excess = min(free - max(1, options.preAllocate) - above, available - options.minAllocate - above)
        let fullest = pools.max {
            ($0.addresses.subtracting(inUse).count, $1.number) < ($1.addresses.subtracting(inUse).count, $0.number)
        }
        guard excess > 0, let fullest, let interface = instance.interfaces.first(where: { $0.id == fullest.id }) else {
            return nil
        }
        let singles = interface.secondaryAddresses.filter { IPv4Address($0).map { !inUse.contains($0) } ?? false }
        if !singles.isEmpty {
            return .unassign(interface: interface.id, addresses: singles.suffix(excess), prefixes: [])
        }
        let unused = interface.prefixes.filter { text in
            IPv4CIDR(text).map { prefix in !inUse.contains { prefix.contains($0) } } ?? false
        }
        let count = excess / prefixAddresses
        guard count > 0, !unused.isEmpty else { return nil }
        return .unassign(interface: interface.id, addresses: [], prefixes: unused.suffix(count))
    }
}
