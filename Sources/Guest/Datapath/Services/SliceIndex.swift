import KubeObjects

/// Which endpoint slices are whose, kept up to date by what changes.
struct SliceIndex: Sendable, Equatable {
    private var services: [ObjectKey: ObjectKey] = [:]
    private var slices: [ObjectKey: Set<ObjectKey>] = [:]

    /// Slices of a service, in order.
    func slices(of service: ObjectKey) -> [ObjectKey] {
        guard let own = slices[service] else { return [] }
        return own.count == 1 ? Array(own) : own.sorted()
    }

    /// Takes changed slices over.
    ///
    /// - Returns: the services that had or have one of them; a slice that is gone no longer says whose it was.
    mutating func follow(_ changed: Set<ObjectKey>, _ known: [ObjectKey: EndpointSlice]) -> Set<ObjectKey> {
        var affected: Set<ObjectKey> = []
        for slice in changed {
            let before = services[slice]
            let now = known[slice]?.service
            if let before {
                affected.insert(before)
                if before != now {
                    slices[before]?.remove(slice)
                    if slices[before]?.isEmpty ?? false { slices[before] = nil }
                }
            }
            guard before != now else { continue }
            services[slice] = now
            if let now {
                affected.insert(now)
                slices[now, default: []].insert(slice)
            }
        }
        return affected
    }
}
