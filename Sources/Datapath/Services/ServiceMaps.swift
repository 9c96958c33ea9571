import BPF
import DatapathModel
import LinuxKernel
import NetAddress

/// The pinned service maps, in the agent's words. What is set waits until `flush`, so that many entries go in one call; what is
/// removed goes at once, after what waited.
struct ServiceMaps: ~Copyable {
    private var services: QueuedUpdates<ServiceKey, ServiceEntry>
    private var backends: QueuedUpdates<UInt32, BackendEntry>
    private var reverse: QueuedUpdates<UInt32, ReverseEntry>
    private let affinity: Map<AffinityKey, AffinityEntry>

    /// What a frontend is in the kernel.
    struct Frontend: Equatable, Sendable {
        var index: UInt16
        var affinitySeconds: UInt32
        /// Numbers of its backends, by slot.
        var backends: [UInt32]
    }

    /// Opens what `DatapathPrograms.load` pinned.
    static func open(pins: String) throws(SystemError) -> ServiceMaps {
        ServiceMaps(
            services: QueuedUpdates(try Map(pinnedAt: "\(pins)/\(MapName.services)")),
            backends: QueuedUpdates(try Map(pinnedAt: "\(pins)/\(MapName.backends)")),
            reverse: QueuedUpdates(try Map(pinnedAt: "\(pins)/\(MapName.reverse)")),
            affinity: try Map(pinnedAt: "\(pins)/\(MapName.affinity)"))
    }

    /// Frontends with the slots that count; slots beyond, which a kill in the middle of a change left, are removed.
    /// Only whoever changes the maps calls it: a slot that is just being filled would be one beyond.
    func frontends() throws(SystemError) -> [ServiceEnd: Frontend] {
        var found: [ServiceEnd: Frontend] = [:]
        var counts: [ServiceEnd: Int] = [:]
        var slots: [(end: ServiceEnd, slot: Int, backend: UInt32, key: ServiceKey)] = []
        for (key, entry) in try services.map.entries() {
            guard let address = key.address else { continue }
            let end = ServiceEnd(address: address, port: key.port, ipProtocol: key.ipProtocol)
            if key.slot == 0 {
                counts[end] = Int(entry.backends)
                found[end] = Frontend(
                    index: entry.reverseIndex, affinitySeconds: entry.affinitySeconds,
                    backends: Array(repeating: 0, count: Int(entry.backends)))
            } else {
                slots.append((end, Int(key.slot), entry.backend, key))
            }
        }
        for slot in slots {
            if let count = counts[slot.end], slot.slot <= count {
                found[slot.end]?.backends[slot.slot - 1] = slot.backend
            } else {
                try services.map.removeValue(for: slot.key)
            }
        }
        return found
    }

    func knownBackends() throws(SystemError) -> [UInt32: (end: ServiceEnd, isActive: Bool)] {
        var found: [UInt32: (end: ServiceEnd, isActive: Bool)] = [:]
        for (number, entry) in try backends.map.entries() {
            guard let address = entry.address else { continue }
            found[number] = (
                ServiceEnd(address: address, port: entry.port, ipProtocol: entry.ipProtocol), entry.isActive
            )
        }
        return found
    }

    /// Carries out what waits: backends before whatever leads to them.
    mutating func flush() throws(SystemError) {
        try backends.flush()
        try reverse.flush()
        try services.flush()
    }

    /// What waits is not carried out.
    mutating func forget() {
        backends.forget()
        reverse.forget()
        services.forget()
    }

    mutating func set(_ backend: ServiceEnd, number: UInt32, isActive: Bool) throws(SystemError) {
        // Frontends lead elsewhere before it takes no more connections.
        if !isActive { try flush() }
        backends.update(
            BackendEntry(backend.address, port: backend.port, protocol: backend.ipProtocol, isActive: isActive),
            for: number)
    }

    mutating func removeBackend(_ number: UInt32) throws(SystemError) {
        try flush()
        try backends.map.removeValue(for: number)
    }

    /// Slots before the count that makes them visible, and those that are too many after it.
    ///
    /// - Returns: whether so many updates wait that it is time to flush.
    mutating func set(_ end: ServiceEnd, _ frontend: Frontend, before: Frontend?) throws(SystemError) -> Bool {
        if before?.index != frontend.index {
            reverse.update(ReverseEntry(end.address, port: end.port), for: UInt32(frontend.index))
        }
        for (slot, backend) in frontend.backends.enumerated()
        where slot >= before?.backends.count ?? 0 || before?.backends[slot] != backend {
            services.update(ServiceEntry(backend: backend), for: key(end, slot + 1))
        }
        let isFull = services.update(
            ServiceEntry(
                backends: UInt16(frontend.backends.count), reverseIndex: frontend.index,
                affinitySeconds: frontend.affinitySeconds), for: key(end, 0))
        let excess = before?.backends.count ?? 0
        if excess > frontend.backends.count {
            try flush()
            for slot in frontend.backends.count..<excess { try services.map.removeValue(for: key(end, slot + 1)) }
        }
        if frontend.affinitySeconds > 0, before != nil {
            try flush()
            try forgetClients(of: frontend)
        }
        return isFull
    }

    mutating func remove(_ end: ServiceEnd, _ frontend: Frontend) throws(SystemError) {
        try flush()
        try services.map.removeValue(for: key(end, 0))
        for slot in 0..<frontend.backends.count { try services.map.removeValue(for: key(end, slot + 1)) }
        try reverse.map.removeValue(for: UInt32(frontend.index))
    }

    /// Clients whose backend is no longer one of the frontend's choose again.
    private func forgetClients(of frontend: Frontend) throws(SystemError) {
        let valid = Set(frontend.backends)
        for (key, entry) in try affinity.entries()
        where key.reverseIndex == UInt32(frontend.index) && !valid.contains(entry.backend) {
            try affinity.removeValue(for: key)
        }
    }

    private func key(_ end: ServiceEnd, _ slot: Int) -> ServiceKey {
        ServiceKey(end.address, port: end.port, protocol: end.ipProtocol, slot: UInt16(slot))
    }
}
