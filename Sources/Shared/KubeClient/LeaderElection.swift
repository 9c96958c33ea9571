import LinuxKernel
import Synchronization

/// Who leads, as a `Lease` object has it (`coordination.k8s.io/v1`).
public struct LeaseRecord: Sendable, Hashable {
    /// Empty if its last holder has given it back.
    public var holder: String
    /// For how long after its last renewal it is the holder's.
    public var duration: Duration
    /// When it was taken and renewed, in the holder's words, which nobody else calculates with.
    public var acquireTime: String
    public var renewTime: String
    /// How often it has changed hands.
    public var transitions: Int64

    public init(holder: String, duration: Duration, acquireTime: String, renewTime: String, transitions: Int64) {
        self.holder = holder
        self.duration = duration
        self.acquireTime = acquireTime
        self.renewTime = renewTime
        self.transitions = transitions
    }
}

/// Where a lease is kept: the API server, or a test's memory.
public protocol LeaseStore: Sendable {
    /// The record and its version; nil if there is none.
    func lease(within limit: Duration) async throws -> (record: LeaseRecord, version: String)?
    /// Writes the record if its version is still the one that was read; nil makes one that is not there.
    /// - Returns: The new version; nil if somebody else was faster.
    func write(_ record: LeaseRecord, over version: String?, within limit: Duration) async throws -> String?
}

/// How long leadership lasts.
public struct LeaseTiming: Sendable, Hashable {
    /// Nobody takes a lease from its holder before so long after its last renewal.
    public var duration = Duration.seconds(6)
    /// A leader that could not renew for so long leads no more.
    public var renewal = Duration.seconds(4)
    public var retry = Duration.milliseconds(1500)

    public init() {}
}

/// Lets one of several programs lead, as client-go's leader election does.
///
/// Whether a lease has run out is measured on one's own clock, from when its record was last seen to change: clocks are
/// never compared.
public actor LeaderElection {
    private let store: any LeaseStore
    private let timing: LeaseTiming
    private let now: @Sendable () -> Duration
    private let timestamp: @Sendable () -> String
    public nonisolated let identity: String
    private var observed: (record: LeaseRecord, version: String, at: Duration)?
    /// When the last renewal that succeeded was begun.
    private var renewed: Duration?
    /// Grows when this one begins to lead. Who has read something in one term and writes in another may not have seen
    /// what somebody else has written between.
    public private(set) var term = 0
    /// Why the last attempt failed.
    public private(set) var failure: String?

    /// - Parameters:
    ///   - identity: Another one for every program that runs, also for one that is started again.
    ///   - now: The time since any moment.
    ///   - timestamp: The present time as `metav1.MicroTime`.
    public init(
        _ store: any LeaseStore, identity: String, timing: LeaseTiming = LeaseTiming(),
        now: @escaping @Sendable () -> Duration = { .nanoseconds(MonotonicTime.now.nanoseconds) },
        timestamp: @escaping @Sendable () -> String = LeaseTime.now
    ) {
        self.store = store
        self.identity = identity
        self.timing = timing
        self.now = now
        self.timestamp = timestamp
    }

    /// How long it is certain that nobody else leads; nil if this one does not. What a leader writes must be answered
    /// within that time.
    public var certainty: Duration? {
        guard let renewed else { return nil }
        let left = renewed + timing.renewal - now()
        return left > .zero ? left : nil
    }

    /// Who leads, as far as this one has seen; empty if nobody does.
    public var holder: String { observed?.record.holder ?? "" }

    /// Takes the lease if it is free, or renews it.
    ///
    /// - Returns: Whether this one leads.
    @discardableResult
    public func attempt() async -> Bool {
        let begun = now()
        do {
            if try await take(begun) {
                if certainty == nil { term += 1 }
                renewed = begun
            } else {
                renewed = nil
            }
            failure = nil
        } catch {
            // A leader that cannot renew leads on until its time is over.
            failure = "\(error)"
        }
        return certainty != nil
    }

    /// Attempts again and again, and calls a closure with each change of leadership, until the task is cancelled. Then
    /// it gives the lease back.
    public func run(_ changed: @Sendable (Bool) async -> Void) async {
        var leads = false
        while !Task.isCancelled {
            let does = await attempt()
            if does != leads {
                leads = does
                await changed(does)
            }
            try? await Task.sleep(for: timing.retry)
        }
        // A request of a cancelled task would not be sent.
        await Task { await release() }.value
    }

    /// Gives the lease back, so that another one can lead at once.
    public func release() async {
        guard certainty != nil, let observed else { return }
        renewed = nil
        var record = observed.record
        record.holder = ""
        record.renewTime = timestamp()
        record.duration = .seconds(1)
        _ = try? await store.write(record, over: observed.version, within: .seconds(2))
    }

    private func take(_ begun: Duration) async throws -> Bool {
        let limit = timing.renewal / 2
        guard let (record, version) = try await store.lease(within: limit) else {
            return try await write(fresh(transitions: 0), over: nil, begun)
        }
        if observed?.version != version || observed?.record != record { observed = (record, version, now()) }
        if record.holder == identity {
            var next = record
            next.renewTime = timestamp()
            next.duration = timing.duration
            return try await write(next, over: version, begun)
        }
        let seen = observed?.at ?? now()
        guard record.holder.isEmpty || seen + record.duration < now() else { return false }
        return try await write(fresh(transitions: record.transitions &+ 1), over: version, begun)
    }

    private func write(_ record: LeaseRecord, over version: String?, _ begun: Duration) async throws -> Bool {
        guard let new = try await store.write(record, over: version, within: timing.renewal / 2) else { return false }
        observed = (record, new, now())
        return true
    }

    private func fresh(transitions: Int64) -> LeaseRecord {
        let time = timestamp()
        return LeaseRecord(
            holder: identity, duration: timing.duration, acquireTime: time, renewTime: time, transitions: transitions)
    }
}
