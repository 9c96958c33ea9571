import KubeClient
import Synchronization
import Testing

/// A lease in memory, and a clock.
private final class MemoryLease: LeaseStore {
    struct Away: Error {}
    private struct State {
        var record: LeaseRecord?
        var version = 0
        var clock = Duration.zero
        var isAway = false
    }
    private let state = Mutex(State())

    var record: LeaseRecord? { state.withLock { $0.record } }
    var now: Duration { state.withLock { $0.clock } }
    func pass(_ time: Duration) { state.withLock { $0.clock += time } }
    func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

    func lease(within limit: Duration) async throws -> (record: LeaseRecord, version: String)? {
        try state.withLock { state in
            if state.isAway { throw Away() }
            return state.record.map { ($0, "\(state.version)") }
        }
    }

    func write(_ record: LeaseRecord, over version: String?, within limit: Duration) async throws -> String? {
        try state.withLock { state in
            if state.isAway { throw Away() }
            guard version == (state.record == nil ? nil : "\(state.version)") else { return nil }
            state.version += 1
            state.record = record
            return "\(state.version)"
        }
    }
}

@Suite struct LeaderElectionTests {
    private let lease = MemoryLease()

    private func candidate(_ name: String) -> LeaderElection {
        LeaderElection(lease, identity: name, now: { [lease] in lease.now }, timestamp: { "a time" })
    }

    @Test func `the first leads, and the second when the first renews no more`() async {
        let (one, other) = (candidate("one"), candidate("other"))
        #expect(await one.attempt())
        #expect(await !other.attempt())
        for _ in 0..<5 {
            lease.pass(.seconds(3))
            #expect(await one.attempt())
            #expect(await !other.attempt())
        }
        // The first says by itself that it leads no more, before the second may lead.
        lease.pass(.seconds(4))
        #expect(await one.certainty == nil)
        #expect(await !other.attempt())
        lease.pass(.seconds(3))
        #expect(await other.attempt())
        #expect(await !one.attempt())
        #expect(lease.record?.holder == "other" && lease.record?.transitions == 1)
        #expect(await one.holder == "other")
    }

    @Test func `a leader that cannot renew leads on until its time is over, and at once when it can`() async {
        let one = candidate("one")
        #expect(await one.attempt())
        lease.setAway(true)
        lease.pass(.seconds(2))
        #expect(await one.attempt())
        #expect(await one.failure != nil)
        lease.pass(.seconds(3))
        #expect(await !one.attempt())
        lease.setAway(false)
        #expect(await one.attempt())
        #expect(await one.failure == nil)
        #expect(lease.record?.transitions == 0)
    }

    @Test func `one that cannot ask says so until it can, also where another one leads`() async {
        let (one, other) = (candidate("one"), candidate("other"))
        #expect(await one.attempt())
        lease.setAway(true)
        #expect(await !other.attempt())
        #expect(await other.failure != nil)
        lease.setAway(false)
        #expect(await !other.attempt())
        #expect(await other.failure == nil)
    }

    @Test func `a lease that is given back is the next one's at once`() async {
        let (one, other) = (candidate("one"), candidate("other"))
        #expect(await one.attempt())
        await one.release()
        #expect(await one.certainty == nil)
        #expect(await other.attempt())
        // It is not the first one's to give any more.
        await one.release()
        #expect(lease.record?.holder == "other")
    }

    @Test func `times are written with six digits`() {
        #expect(LeaseTime.now().contains(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/))
    }
}
