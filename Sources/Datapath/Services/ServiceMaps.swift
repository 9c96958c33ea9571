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
    private let maglev: Map<MaglevKey, MaglevPart>

    /// What a frontend is in the kernel.
    struct Frontend: Equatable, Sendable {
        var index: UInt16
        var affinitySeconds: UInt32
        var flags: ServiceEntry.Flags = []
        /// Entries of its Maglev table, which follows from the backends; 0: it has none.
        var maglevSize = 0
        /// Numbers of its backends, by slot.
        var backends: [UInt32]
    }

    /// Opens what `DatapathPrograms.load` pinned.
    static func open(pins: String) throws(SystemError) -> ServiceMaps {
        ServiceMaps(
            services: QueuedUpdates(try Map(pinnedAt: "\(pins)/\(MapName.services)")),
            backends: QueuedUpdates(try Map(pinnedAt: "\(pins)/\(MapName.backends)")),
            reverse: QueuedUpdates(try Map(pinnedAt: "\(pins)/\(MapName.reverse)")),
            affinity: try Map(pinnedAt: "\(pins)/\(MapName.affinity)"),
            maglev: try Map(pinnedAt: "\(pins)/\(MapName.maglev)"))
    }

    /// Frontends with the slots that count; slots beyond, which a kill in the middle of a change left, are removed.
    /// Only whoever changes the maps calls it: a slot that is just being filled would be one beyond.
    func frontends() throws(SystemError) -> [ServiceEnd: Frontend] {
        var found: [ServiceEnd: Frontend] = [:]
        var counts: [ServiceEnd: Int] = [:]
        var slots: [(end: ServiceEnd, slot: Int, backend: UInt32, key: ServiceKey)] = []
        for (key, entry) in try services.map.entries() {
            guard let address = key.address, let scope = key.scope else { continue }
            let end = ServiceEnd(address: address, port: key.port, ipProtocol: key.ipProtocol, scope: scope)
            if key.slot == 0 {
                counts[end] = Int(entry.backends)
                found[end] = Frontend(
                    index: entry.reverseIndex, affinitySeconds: entry.affinitySeconds, flags: entry.flags,
                    maglevSize: Int(entry.maglevSize),
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

    /// Slots and table before the count that makes them visible, and those that are too many after it.
    ///
    /// - Parameter table: numbers of backends, `maglevSize` of them.
    /// - Returns: whether so many updates wait that it is time to flush.
    mutating func set(
        _ end: ServiceEnd, _ frontend: Frontend, table: [UInt32], before: Frontend?
    ) throws(SystemError) -> Bool {
        if !table.isEmpty {
            try flush()
            try setTable(table, of: frontend, before: before?.maglevSize ?? 0)
        }
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
                affinitySeconds: frontend.affinitySeconds, flags: frontend.flags,
                maglevSize: UInt32(frontend.maglevSize)), for: key(end, 0))
        if let before, before.maglevSize > frontend.maglevSize {
            try flush()
            try removeTable(of: frontend.index, from: frontend.maglevSize, to: before.maglevSize)
        }
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
        try removeTable(of: frontend.index, from: 0, to: frontend.maglevSize)
    }

    /// Part by part; parts that stay as they are are not touched.
    private func setTable(_ table: [UInt32], of frontend: Frontend, before: Int) throws(SystemError) {
        for start in stride(from: 0, to: table.count, by: MaglevPart.entries) {
            let part = MaglevPart(table[start..<min(start + MaglevPart.entries, table.count)])
            let key = MaglevKey(reverseIndex: frontend.index, part: UInt16(start / MaglevPart.entries))
            if start < before, try maglev.value(for: key)?.backends == part.backends { continue }
            try maglev.update(part, for: key)
        }
    }

    private func removeTable(of index: UInt16, from kept: Int, to size: Int) throws(SystemError) {
        let first = (kept + MaglevPart.entries - 1) / MaglevPart.entries
        for part in first..<max(first, (size + MaglevPart.entries - 1) / MaglevPart.entries) {
            try maglev.removeValue(for: MaglevKey(reverseIndex: index, part: UInt16(part)))
        }
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
        ServiceKey(end.address, port: end.port, protocol: end.ipProtocol, scope: end.scope, slot: UInt16(slot))
    }
}
