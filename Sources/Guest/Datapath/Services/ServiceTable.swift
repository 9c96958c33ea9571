import KubeObjects
import LinuxKernel

/// The services that this node translates: the plans, what the kernel has, and the numbers that link the two.
/// Everything except the plans is in the kernel, so an agent that starts again continues where the last one ended.
struct ServiceTable: ~Copyable, Sendable {
    private var maps: ServiceMaps
    /// The frontends as the kernel has them.
    private(set) var frontends: [ServiceEnd: ServiceMaps.Frontend] = [:]
    private(set) var plans: [ServiceEnd: FrontendPlan] = [:]
    private var ofService: [ObjectKey: Set<ServiceEnd>] = [:]
    private(set) var backends: [UInt32: ServiceEnd] = [:]
    private var numbers: [ServiceEnd: UInt32] = [:]
    /// The number of frontends that lead to each backend. A backend without any is draining.
    private var users: [UInt32: Int] = [:]
    private var inactive: Set<UInt32> = []
    private var indices: Set<UInt16> = []
    private var lastNumber: UInt32 = 0
    private var lastIndex: UInt16 = 0
    /// The table that was computed last.
    private var lastTable: (backends: [ServiceEnd], entries: [Int]) = ([], [])
    /// True once all services were planned. Until then, a frontend without a plan belongs to an earlier agent and
    /// stays.
    private var isPlanned = false
    /// Frontends whose updates may still be queued in `maps`.
    private var waiting: [ServiceEnd] = []

    /// Opens the maps and reads only their digests. This is for an agent that knows the maps to be right and has not
    /// read the objects yet.
    static func openMarked(pins: String) throws(SystemError) -> ServiceTable {
        var table = ServiceTable(maps: try ServiceMaps.open(pins: pins))
        try table.maps.measure()
        return table
    }

    /// Opens the maps and takes over their content.
    static func open(pins: String) throws(SystemError) -> ServiceTable {
        var table = ServiceTable(maps: try ServiceMaps.open(pins: pins))
        try table.readKernel()
        table.lastIndex = table.indices.max() ?? 0
        table.lastNumber = table.backends.keys.max() ?? 0
        return table
    }

    private init(maps: consuming ServiceMaps) { self.maps = maps }

    private mutating func readKernel() throws(SystemError) {
        let (found, known) = try maps.take()
        frontends = found
        indices = Set(frontends.values.map(\.index))
        backends = known.mapValues(\.end)
        numbers = Dictionary(minimumCapacity: known.count)
        users = [:]
        inactive = []
        for (number, backend) in known {
            numbers[backend.end] = number
            if !backend.isActive { inactive.insert(number) }
        }
        for frontend in frontends.values {
            for number in frontend.backends { users[number, default: 0] += 1 }
        }
    }

    /// Backends that take no new connections, and stay for those that they have.
    var draining: Set<UInt32> { Set(backends.keys.filter { users[$0] == nil }) }

    /// Sets the frontends of one service. An empty plan means that the service is gone.
    ///
    /// - Returns: The frontends that belong to another service already. That one keeps them.
    mutating func set(
        _ service: ObjectKey, _ planned: [ServiceEnd: FrontendPlan]
    ) throws -> [ServiceEnd] {
        try attempt { table in try table.change(service, planned) }
    }

    private mutating func change(
        _ service: ObjectKey, _ planned: [ServiceEnd: FrontendPlan]
    ) throws -> [ServiceEnd] {
        for end in ofService[service] ?? [] where planned[end] == nil {
            try remove(end)
            ofService[service]?.remove(end)
        }
        var refused: [ServiceEnd] = []
        // The scope for outside callers is written before the frontend that leads to it.
        for (end, plan) in planned.sorted(by: { ($1.key.scope, $0.key) < ($0.key.scope, $1.key) }) {
            if let owner = plans[end]?.service, owner != service {
                refused.append(end)
                continue
            }
            if plans[end] != plan { try program(end, plan) }
            ofService[service, default: []].insert(end)
        }
        if ofService[service]?.isEmpty ?? false { ofService[service] = nil }
        return refused
    }

    /// Changes the maps. If that fails, the table is read from the kernel again, so that the next attempt completes
    /// what is missing.
    private mutating func attempt<Result>(_ body: (inout ServiceTable) throws -> Result) throws -> Result {
        do {
            return try body(&self)
        } catch {
            try? maps.flush()
            maps.forget()
            for end in waiting { plans[end] = nil }
            waiting = []
            try readKernel()
            throw error
        }
    }

    private mutating func flush() throws {
        try maps.flush()
        waiting.removeAll(keepingCapacity: true)
    }

    /// Writes everything to the kernel after services were set. Once all services were set, frontends that nobody
    /// planned are removed.
    mutating func finishPlanning() throws {
        try attempt { table in
            try table.flush()
            guard !table.isPlanned else { return }
            for end in table.frontends.keys where table.plans[end] == nil { try table.remove(end) }
            for number in table.draining where !table.inactive.contains(number) { try table.deactivate(number) }
            try table.flush()
            table.isPlanned = true
        }
    }

    /// Returns the state of the maps. It is valid only while no change is incomplete.
    func stamps() throws(SystemError) -> [ServiceMark.MapStamp] { try maps.stamps() }

    /// Removes draining backends that no connection refers to any more.
    ///
    /// - Returns: True if there were any.
    mutating func collect(inUse: Set<UInt32>) throws(SystemError) -> Bool {
        guard isPlanned else { return false }
        var collected = false
        for number in draining where !inUse.contains(number) {
            guard let end = backends[number] else { continue }
            try maps.removeBackend(number, end, wasActive: !inactive.contains(number))
            backends[number] = nil
            numbers[end] = nil
            inactive.remove(number)
            collected = true
        }
        return collected
    }

    /// Reads the content from the kernel, not from the agent's memory.
    func readMaps() throws(SystemError) -> (
        frontends: [ServiceEnd: ServiceMaps.Frontend], backends: [UInt32: ServiceMaps.Backend]
    ) { try maps.read() }

    private mutating func program(_ end: ServiceEnd, _ plan: FrontendPlan) throws {
        let before = frontends[end]
        let wanted = ServiceMaps.Frontend(
            index: try before?.index ?? freeIndex(), affinitySeconds: plan.affinitySeconds, flags: plan.flags,
            maglevSize: plan.backends.isEmpty ? 0 : plan.maglevSize,
            backends: try plan.backends.map { try activate($0) })
        for number in wanted.backends { users[number, default: 0] += 1 }
        waiting.append(end)
        var isFull = false
        if before != wanted {
            let table = table(plan, wanted)
            isFull = try maps.set(end, wanted, table: table, before: before)
        }
        frontends[end] = wanted
        indices.insert(wanted.index)
        plans[end] = plan
        try release(before?.backends ?? [])
        if isFull { try flush() }
    }

    /// Returns the frontend's Maglev table as numbers of backends. The frontends of a service mostly share one table.
    private mutating func table(_ plan: FrontendPlan, _ frontend: ServiceMaps.Frontend) -> [UInt32] {
        guard frontend.maglevSize > 0 else { return [] }
        if lastTable.backends != plan.backends || lastTable.entries.count != frontend.maglevSize {
            lastTable = (
                plan.backends,
                MaglevTable.entries(for: plan.backends.map(\.description), size: frontend.maglevSize)
            )
        }
        return lastTable.entries.map { frontend.backends[$0] }
    }

    private mutating func remove(_ end: ServiceEnd) throws {
        guard let frontend = frontends[end] else { return }
        try maps.remove(end, frontend)
        frontends[end] = nil
        plans[end] = nil
        indices.remove(frontend.index)
        try release(frontend.backends)
    }

    private mutating func activate(_ backend: ServiceEnd) throws(SystemError) -> UInt32 {
        if let number = numbers[backend] {
            if inactive.remove(number) != nil {
                try maps.set(backend, number: number, isActive: true, wasActive: false)
            }
            return number
        }
        repeat { lastNumber = lastNumber == .max ? 1 : lastNumber + 1 } while backends[lastNumber] != nil
        try maps.set(backend, number: lastNumber, isActive: true, wasActive: nil)
        backends[lastNumber] = backend
        numbers[backend] = lastNumber
        return lastNumber
    }

    private mutating func release(_ released: [UInt32]) throws(SystemError) {
        for number in released {
            let left = (users[number] ?? 1) - 1
            users[number] = left == 0 ? nil : left
            if left == 0 { try deactivate(number) }
        }
    }

    private mutating func deactivate(_ number: UInt32) throws(SystemError) {
        guard let backend = backends[number] else { return }
        let wasActive = inactive.insert(number).inserted
        try maps.set(backend, number: number, isActive: false, wasActive: wasActive)
    }

    /// Returns the next free index, going round. So the replies of a connection that outlives its service do not get
    /// another service's address.
    private mutating func freeIndex() throws(DatapathError) -> UInt16 {
        for _ in 1...UInt16.max {
            lastIndex = lastIndex == .max ? 1 : lastIndex + 1
            if !indices.contains(lastIndex) {
                indices.insert(lastIndex)
                return lastIndex
            }
        }
        throw .kernel("no free service index: 65535 frontends on this node")
    }
}
