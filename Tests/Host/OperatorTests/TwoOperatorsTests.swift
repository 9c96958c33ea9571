import Hashing
import KubeClient
import NetAddress
import ServedObjects
import ServerProgram
import Synchronization
import Testing

@testable import Operator

/// CiliumNodes and a lease in memory. Requests fail, are late, and are answered after they were given up, by chance.
final class MemoryStore: OperatorStore, LeaseStore {
    struct Late: Error {}
    struct Conflict: Error {}
    private struct State {
        var random: SplitMix64
        var clock = Duration.zero
        var version = 0
        var nodes: [String: RangeHolder] = [:]
        var lease: (record: LeaseRecord, version: String)?
        /// Every range that was ever written, with its time and node.
        var given: [(node: String, range: IPv4CIDR)] = []
        /// Requests for what nobody uses fail.
        var hidesInventory = false
        /// Requests for the nodes fail.
        var hidesNodes = false
        /// Requests for the lease fail.
        var hidesLease = false
    }
    private let state: Mutex<State>
    /// The share of requests that go wrong.
    private let trouble: Double

    init(seed: UInt64, trouble: Double) {
        state = Mutex(State(random: SplitMix64(seed: seed)))
        self.trouble = trouble
    }

    var now: Duration { state.withLock { $0.clock } }
    func advance(_ time: Duration) { state.withLock { $0.clock += time } }
    var nodes: [RangeHolder] { state.withLock { Array($0.nodes.values) } }
    var given: [(node: String, range: IPv4CIDR)] { state.withLock { $0.given } }

    func add(_ name: String) {
        state.withLock { state in
            state.version += 1
            state.nodes[name] =
                state.nodes[name]
                ?? RangeHolder(name: name, created: "\(state.version)", version: "\(state.version)")
        }
    }

    func hide(nodes: Bool = false, inventory: Bool = false, lease: Bool = false) {
        state.withLock { ($0.hidesNodes, $0.hidesInventory, $0.hidesLease) = (nodes, inventory, lease) }
    }

    func remove(_ name: String) { state.withLock { $0.nodes[name] = nil } }

    /// Lets others go first, lets time pass, and sometimes fails, before or after the request was carried out.
    private func request<Result: Sendable>(
        _ limit: Duration, _ body: @Sendable (inout State) throws -> Result
    ) async throws -> Result {
        let (turns, fails, isDone) = state.withLock { state in
            (
                Int.random(in: 0..<6, using: &state.random), Double.random(in: 0..<1, using: &state.random) < trouble,
                Bool.random(using: &state.random)
            )
        }
        let end = now + limit
        for _ in 0..<turns { await Task.yield() }
        return try state.withLock { state in
            state.clock += .milliseconds(Int.random(in: 0..<40, using: &state.random))
            // The client has ended the connection of a request that was not answered in time.
            if state.clock > end { throw Late() }
            if fails, !isDone {
                state.clock += limit
                throw Late()
            }
            let result = try body(&state)
            if fails {
                state.clock += limit
                throw Late()
            }
            return result
        }
    }

    func lease(within limit: Duration) async throws -> (record: LeaseRecord, version: String)? {
        if state.withLock({ $0.hidesLease }) { throw Late() }
        return try await request(limit) { $0.lease }
    }

    func write(_ record: LeaseRecord, over version: String?, within limit: Duration) async throws -> String? {
        try await request(limit) { state in
            guard state.lease?.version == version else { return nil }
            state.version += 1
            state.lease = (record, "\(state.version)")
            return "\(state.version)"
        }
    }

    func holders(within limit: Duration) async throws -> [RangeHolder] {
        if state.withLock({ $0.hidesNodes }) { throw Late() }
        return try await request(limit) { Array($0.nodes.values) }
    }

    func give(_ range: IPv4CIDR, to holder: RangeHolder, within limit: Duration) async throws {
        try await request(limit) { state in
            guard var node = state.nodes[holder.name], node.version == holder.version else { throw Conflict() }
            state.version += 1
            node.ranges = [range.description]
            node.version = "\(state.version)"
            state.nodes[holder.name] = node
            state.given.append((holder.name, range))
        }
    }

    func say(_ error: String?, to holder: RangeHolder, within limit: Duration) async throws {
        try await request(limit) { $0.nodes[holder.name]?.error = error }
    }

    func inventory(within limit: Duration) async throws -> Inventory {
        if state.withLock({ $0.hidesInventory }) { throw Late() }
        return Inventory()
    }

    func delete(_ kind: Collected, _ object: ObjectHead, within limit: Duration) async throws {}
    func changes() -> AsyncStream<StoreNews> { AsyncStream { nil } }
}

@Suite struct TwoOperatorsTests {
    private func service(_ name: String, _ store: MemoryStore) throws -> OperatorService {
        OperatorService(
            store: store,
            election: LeaderElection(store, identity: name, now: { store.now }, timestamp: { "\(store.now)" }),
            pool: try RangePool(OperatorSettings(pool: ["10.0.0.0/20"], maskSize: 26)), round: .seconds(3600),
            health: HealthPage(), log: { _ in })
    }

    /// Both act whenever they believe that they lead; time passes by leaps, so that leadership changes hands in the
    /// midst of a turn, and requests are carried out whose answers are lost.
    @Test(arguments: 0..<60 as Range<UInt64>) func `two at once never give a range twice`(_ seed: UInt64) async throws {
        let store = MemoryStore(seed: seed, trouble: 0.1)
        let services = [try service("one", store), try service("other", store)]
        await withTaskGroup(of: Void.self) { group in
            for (index, service) in services.enumerated() {
                group.addTask {
                    var random = SplitMix64(seed: seed * 2 + UInt64(index))
                    var memory = OperatorService.Memory()
                    for _ in 0..<60 {
                        await service.election.attempt()
                        _ = await service.turn(&memory, changed: true, round: false)
                        store.advance(.milliseconds(Int.random(in: 0..<5000, using: &random)))
                        store.add("n\(Int.random(in: 0..<24, using: &random))")
                        await Task.yield()
                    }
                }
            }
        }
        // What is left to do, with nobody in the way.
        var memory = OperatorService.Memory()
        for _ in 0..<200 where store.nodes.contains(where: { $0.ranges.isEmpty }) {
            store.advance(.seconds(1))
            await services[0].election.attempt()
            _ = await services[0].turn(&memory, changed: true, round: false)
        }
        let given = store.given
        #expect(Set(given.map(\.range)).count == given.count, "\(given)")
        #expect(Set(given.map(\.node)).count == given.count, "\(given)")
        #expect(store.nodes.allSatisfy { $0.ranges.count == 1 }, "\(store.nodes)")
        #expect(store.nodes.count > 10)
    }

    @Test func `one that does not lead does nothing`() async throws {
        let store = MemoryStore(seed: 1, trouble: 0)
        let (one, other) = (try service("one", store), try service("other", store))
        store.add("n1")
        #expect(await one.election.attempt())
        #expect(await !other.election.attempt())
        var memory = OperatorService.Memory()
        #expect(await other.turn(&memory, changed: true, round: true) == nil)
        #expect(store.given.isEmpty)
        #expect(await one.turn(&memory, changed: true, round: false) == nil)
        #expect(store.given.map(\.node) == ["n1"])
    }

    @Test func `each failure is told until what failed has been done`() async throws {
        let store = MemoryStore(seed: 3, trouble: 0)
        let service = try service("one", store)
        await service.election.attempt()
        var memory = OperatorService.Memory()
        store.hide(inventory: true)
        #expect(await service.turn(&memory, changed: false, round: true) != nil)
        let collecting = try #require(memory.problem)
        #expect(memory.isRoundLost)
        // Ranges are given, and nothing was collected.
        #expect(await service.turn(&memory, changed: true, round: false) == nil)
        #expect(memory.problem == collecting)
        // Neither keeps the other from being done.
        store.hide(nodes: true)
        #expect(await service.turn(&memory, changed: true, round: true) != nil)
        #expect(memory.collectProblem == nil && memory.rangeProblem != nil)
        store.hide()
        #expect(await service.turn(&memory, changed: true, round: true) == nil)
        #expect(memory.problem == nil)
    }

    @Test func `one that cannot ask for the lease is not well`() async throws {
        let store = MemoryStore(seed: 4, trouble: 0)
        let service = try service("one", store)
        await service.election.attempt()
        await service.tell(nil)
        #expect(service.health.problem == nil)
        store.hide(lease: true)
        // It leads until its time is over.
        await service.election.attempt()
        await service.tell(nil)
        #expect(service.health.problem == nil)
        store.advance(.seconds(5))
        await service.election.attempt()
        await service.tell(nil)
        #expect(service.health.problem?.hasPrefix("cannot ask for the lease: ") == true)
        store.hide()
        await service.election.attempt()
        await service.tell(nil)
        #expect(service.health.problem == nil)
    }

    @Test func `a range stays a node's when another operator takes over`() async throws {
        let store = MemoryStore(seed: 2, trouble: 0)
        let one = try service("one", store)
        for name in ["n1", "n2", "n3"] { store.add(name) }
        await one.election.attempt()
        var memory = OperatorService.Memory()
        _ = await one.turn(&memory, changed: true, round: false)
        store.remove("n1")
        store.add("n4")
        let before = Dictionary(uniqueKeysWithValues: store.nodes.map { ($0.name, $0.ranges) })
        store.advance(.seconds(20))
        let other = try service("other", store)
        #expect(await !other.election.attempt(), "it has not seen for long enough that nobody renews")
        store.advance(.seconds(7))
        #expect(await other.election.attempt())
        #expect(await one.election.certainty == nil)
        var fresh = OperatorService.Memory()
        _ = await other.turn(&fresh, changed: true, round: false)
        for name in ["n2", "n3"] { #expect(store.nodes.first { $0.name == name }?.ranges == before[name]) }
        // The range of the node that has gone is free again.
        #expect(store.nodes.first { $0.name == "n4" }?.ranges == ["10.0.0.64/26"])
    }
}
