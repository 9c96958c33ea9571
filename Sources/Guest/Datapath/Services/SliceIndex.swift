import KubeObjects

/// Maps services to their endpoint slices, and follows changes of slices.
struct SliceIndex: Sendable, Equatable {
    private var services: [ObjectKey: ObjectKey] = [:]
    private var slices: [ObjectKey: Set<ObjectKey>] = [:]

    /// Returns the slices of a service, in order.
    func slices(of service: ObjectKey) -> [ObjectKey] {
        guard let own = slices[service] else { return [] }
        return own.count == 1 ? Array(own) : own.sorted()
    }

    /// Takes over changed slices.
    ///
    /// - Returns: The services that had or have one of them. A slice that is gone no longer says which service it
    ///   belonged to.
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
