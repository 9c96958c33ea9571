import BPF
import DatapathModel
import LinuxKernel
import NetAddress

/// The pinned service maps, in the agent's terms. Insertions are queued until `flush`, so that many go into one call.
/// Removals are made at once, after the queue was flushed.
struct ServiceMaps: ~Copyable, Sendable {
    private var services: MarkedMap<ServiceKey, ServiceEntry>
    private var backends: MarkedMap<UInt32, BackendEntry>
    private var reverse: MarkedMap<UInt32, ReverseEntry>
    private let affinity: Map<AffinityKey, AffinityEntry>
    private let maglev: Map<MaglevKey, MaglevPart>

    /// A frontend as the kernel has it.
    struct Frontend: Equatable, Sendable {
        var index: UInt16
        var affinitySeconds: UInt32
        var flags: ServiceEntry.Flags = []
        /// The number of entries in its Maglev table, which follows from the backends. It is 0 if there is no table.
        var maglevSize = 0
        /// The numbers of its backends, by slot.
        var backends: [UInt32]

        /// - Returns: False for a slot beyond the frontend's count.
        fileprivate mutating func take(_ backend: UInt32, slot: Int) -> Bool {
            guard slot <= backends.count else { return false }
            backends[slot - 1] = backend
            return true
        }
    }

    /// Opens the maps that `DatapathPrograms.load` pinned.
    static func open(pins: String) throws(SystemError) -> ServiceMaps {
        ServiceMaps(
            services: try MarkedMap(pinnedAt: "\(pins)/\(MapName.services)"),
            backends: try MarkedMap(pinnedAt: "\(pins)/\(MapName.backends)"),
            reverse: try MarkedMap(pinnedAt: "\(pins)/\(MapName.reverse)"),
            affinity: try Map(pinnedAt: "\(pins)/\(MapName.affinity)"),
            maglev: try Map(pinnedAt: "\(pins)/\(MapName.maglev)"))
    }

    /// Computes the digests of the kernel's maps.
    mutating func measure() throws(SystemError) {
        try services.measure()
        try backends.measure()
        try reverse.measure()
    }

    /// Returns the state of the maps, valid only while nothing is queued. Maglev tables follow from the rest and are
    /// not included.
    func stamps() throws(SystemError) -> [ServiceMark.MapStamp] {
        [
            ServiceMark.MapStamp(identifier: try services.identifier(), content: services.digest),
            ServiceMark.MapStamp(identifier: try backends.identifier(), content: backends.digest),
            ServiceMark.MapStamp(identifier: try reverse.identifier(), content: reverse.digest),
            ServiceMark.MapStamp(identifier: try maglev.identifier(), content: MapDigest()),
        ]
    }

    /// Reads the kernel's content and computes the digests. Slots beyond a frontend's count, which a kill in the middle
    /// of a change leaves, are removed.
    mutating func take() throws(SystemError) -> (frontends: [ServiceEnd: Frontend], backends: [UInt32: Backend]) {
        let (found, beyond) = Self.frontends(in: try services.takeEntries())
        for slot in beyond { try services.removeValue(for: slot.key, before: slot.entry) }
        try reverse.measure()
        return (found, Self.backends(in: try backends.takeEntries()))
    }

    /// Reads the kernel's content.
    func read() throws(SystemError) -> (frontends: [ServiceEnd: Frontend], backends: [UInt32: Backend]) {
        (Self.frontends(in: try services.entries()).found, Self.backends(in: try backends.entries()))
    }

    typealias Backend = (end: ServiceEnd, isActive: Bool)

    private static func frontends(in all: [(key: ServiceKey, value: ServiceEntry)]) -> (
        found: [ServiceEnd: Frontend], beyond: [(key: ServiceKey, entry: ServiceEntry)]
    ) {
        var found: [ServiceEnd: Frontend] = [:]
        for (key, entry) in all where key.slot == 0 {
            guard let end = ServiceEnd(key) else { continue }
            found[end] = Frontend(
                index: entry.reverseIndex, affinitySeconds: entry.affinitySeconds, flags: entry.flags,
                maglevSize: Int(entry.maglevSize), backends: Array(repeating: 0, count: Int(entry.backends)))
        }
        var beyond: [(key: ServiceKey, entry: ServiceEntry)] = []
        for (key, entry) in all where key.slot > 0 {
            guard let end = ServiceEnd(key) else { continue }
            if found[end]?.take(entry.backend, slot: Int(key.slot)) != true { beyond.append((key, entry)) }
        }
        return (found, beyond)
    }

    private static func backends(in all: [(key: UInt32, value: BackendEntry)]) -> [UInt32: Backend] {
        var found: [UInt32: Backend] = [:]
        for (number, entry) in all {
            guard let address = entry.address else { continue }
            found[number] = (
                ServiceEnd(address: address, port: entry.port, ipProtocol: entry.ipProtocol), entry.isActive
            )
        }
        return found
    }

    /// Writes the queue to the kernel: backends before anything that leads to them.
    mutating func flush() throws(SystemError) {
        try backends.flush()
        try reverse.flush()
        try services.flush()
    }

    /// Discards the queue.
    mutating func forget() {
        backends.forget()
        reverse.forget()
        services.forget()
    }

    /// - Parameter wasActive: Nil for a backend that is not in the map yet.
    mutating func set(
        _ backend: ServiceEnd, number: UInt32, isActive: Bool, wasActive: Bool?
    ) throws(SystemError) {
        // Frontends must lead elsewhere before the backend takes no more connections.
        if !isActive { try flush() }
        backends.update(
            Self.entry(backend, isActive: isActive), for: number,
            before: wasActive.map { Self.entry(backend, isActive: $0) })
    }

    mutating func removeBackend(_ number: UInt32, _ backend: ServiceEnd, wasActive: Bool) throws(SystemError) {
        try flush()
        try backends.removeValue(for: number, before: Self.entry(backend, isActive: wasActive))
    }

    private static func entry(_ backend: ServiceEnd, isActive: Bool) -> BackendEntry {
        BackendEntry(backend.address, port: backend.port, protocol: backend.ipProtocol, isActive: isActive)
    }

    private static func entry(_ frontend: Frontend) -> ServiceEntry {
        ServiceEntry(
            backends: UInt16(frontend.backends.count), reverseIndex: frontend.index,
            affinitySeconds: frontend.affinitySeconds, flags: frontend.flags,
            maglevSize: UInt32(frontend.maglevSize))
    }

    /// Writes slots and table before the count that makes them visible, and removes superfluous slots after it.
    ///
    /// - Parameter table: The numbers of backends, `maglevSize` of them.
    ///
    /// - Returns: True if so many updates are queued that it is time to flush.
    mutating func set(
        _ end: ServiceEnd, _ frontend: Frontend, table: [UInt32], before: Frontend?
    ) throws(SystemError) -> Bool {
        if !table.isEmpty {
            try flush()
            try setTable(table, of: frontend, before: before?.maglevSize ?? 0)
        }
        if before?.index != frontend.index {
            reverse.update(ReverseEntry(end.address, port: end.port), for: UInt32(frontend.index), before: nil)
        }
        for (slot, backend) in frontend.backends.enumerated() {
            let old = before.flatMap { slot < $0.backends.count ? $0.backends[slot] : nil }
            if old == backend { continue }
            services.update(
                ServiceEntry(backend: backend), for: key(end, slot + 1), before: old.map { ServiceEntry(backend: $0) })
        }
        let isFull = services.update(
            Self.entry(frontend), for: key(end, 0), before: before.map { Self.entry($0) })
        if let before, before.maglevSize > frontend.maglevSize {
            try flush()
            try removeTable(of: frontend.index, from: frontend.maglevSize, to: before.maglevSize)
        }
        if let before, before.backends.count > frontend.backends.count {
            try flush()
            try removeSlots(of: end, before.backends, from: frontend.backends.count)
        }
        if frontend.affinitySeconds > 0, before != nil {
            try flush()
            try forgetClients(of: frontend, keeping: Set(frontend.backends))
        }
        return isFull
    }

    mutating func remove(_ end: ServiceEnd, _ frontend: Frontend) throws(SystemError) {
        try flush()
        try services.removeValue(for: key(end, 0), before: Self.entry(frontend))
        try removeSlots(of: end, frontend.backends, from: 0)
        try reverse.removeValue(
            for: UInt32(frontend.index), before: ReverseEntry(end.address, port: end.port))
        try removeTable(of: frontend.index, from: 0, to: frontend.maglevSize)
        // The index will be another frontend's.
        if frontend.affinitySeconds > 0 { try forgetClients(of: frontend, keeping: []) }
    }

    private mutating func removeSlots(of end: ServiceEnd, _ backends: [UInt32], from kept: Int) throws(SystemError) {
        for slot in kept..<backends.count {
            try services.removeValue(for: key(end, slot + 1), before: ServiceEntry(backend: backends[slot]))
        }
    }

    /// Writes the table part by part. Parts that do not change are not written.
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

    /// Makes a frontend's clients choose again, unless their backend is one of `valid`.
    private func forgetClients(of frontend: Frontend, keeping valid: Set<UInt32>) throws(SystemError) {
        for (key, entry) in try affinity.entries()
        where key.reverseIndex == UInt32(frontend.index) && !valid.contains(entry.backend) {
            try affinity.removeValue(for: key)
        }
    }

    private func key(_ end: ServiceEnd, _ slot: Int) -> ServiceKey {
        ServiceKey(end.address, port: end.port, protocol: end.ipProtocol, scope: end.scope, slot: UInt16(slot))
    }
}

extension ServiceEnd {
    /// Returns the frontend of a key, or nil for a key that this build does not know.
    fileprivate init?(_ key: ServiceKey) {
        guard let address = key.address, let scope = key.scope else { return nil }
        self.init(address: address, port: key.port, ipProtocol: key.ipProtocol, scope: scope)
    }
}
