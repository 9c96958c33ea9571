import KubeClient
import NetAddress
import ServerProgram
import Synchronization

/// The operator: gives nodes their ranges and deletes what nobody uses any more, while it leads.
struct OperatorService: Sendable {
    let store: any OperatorStore
    let election: LeaderElection
    /// Nil where ranges are none of the operator's business.
    let pool: RangePool?
    let round: Duration
    let health: HealthPage
    let log: @Sendable (String) -> Void

    /// What has happened since the loop looked last.
    private struct Due {
        var changed = true
        var round = false
        var silence: String? = "the API server was not asked yet"
    }

    /// What the loop knows from one turn to the next.
    struct Memory {
        var known: [String: IPv4CIDR] = [:]
        var identities = UnusedIdentities()
        var endpoints = Orphans()
        var nodes = Orphans()
        /// Why not all ranges could be given, and why not everything could be collected, when that was tried last.
        var rangeProblem: String?
        var collectProblem: String?
        /// Whether the last round saw nothing at all, so that it may be made up for at once.
        var isRoundLost = false

        var problem: String? {
            let all = [rangeProblem, collectProblem].compactMap { $0 }
            return all.isEmpty ? nil : all.joined(separator: "; ")
        }
    }

    /// How long one request may take, if it is certain for so long that nobody else leads.
    static let patience = Duration.seconds(5)

    /// Runs until the task is cancelled.
    func run() async {
        let due = Shared()
        let (wake, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            group.addTask {
                await election.run { leads in
                    log(leads ? "leads as \(election.identity)" : "does not lead")
                    due.value.withLock { $0.changed = true }
                    signal.yield()
                }
                signal.finish()
            }
            group.addTask {
                for await news in store.changes() {
                    due.value.withLock { due in
                        switch news {
                        case .changed: due.changed = true
                        case .silent(let reason): due.silence = reason
                        }
                    }
                    signal.yield()
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: round)
                    due.value.withLock { $0.round = true }
                    signal.yield()
                }
            }
            var memory = Memory()
            for await _ in wake {
                let now = due.value.withLock { due in
                    defer { (due.changed, due.round) = (false, false) }
                    return due
                }
                _ = await turn(&memory, changed: now.changed, round: now.round)
                await tell(now.silence ?? memory.problem)
                let giveAgain = now.changed && memory.rangeProblem != nil
                let collectAgain = now.round && memory.isRoundLost
                guard giveAgain || collectAgain else { continue }
                group.addTask {
                    try? await Task.sleep(for: .seconds(1))
                    due.value.withLock { due in
                        due.changed = due.changed || giveAgain
                        due.round = due.round || collectAgain
                    }
                    signal.yield()
                }
            }
            group.cancelAll()
        }
    }

    /// Does what is due, if this one leads. Ranges that cannot be given keep nothing from being collected.
    ///
    /// - Returns: Why not everything that was due could be done; nil if it was, or if another one leads.
    func turn(_ memory: inout Memory, changed: Bool, round: Bool) async -> String? {
        guard await election.certainty != nil else {
            // What was seen long ago is no help when it leads again.
            memory = Memory()
            return nil
        }
        let term = await election.term
        var failure: String?
        if changed {
            do {
                try await giveRanges(&memory, term)
                memory.rangeProblem = nil
            } catch {
                memory.rangeProblem = note(error)
                failure = memory.rangeProblem
            }
        }
        if round {
            do {
                try await collect(&memory, term)
                memory.collectProblem = nil
            } catch {
                memory.collectProblem = note(error)
                failure = failure ?? memory.collectProblem
            }
        }
        return failure
    }

    private func note(_ error: any Error) -> String {
        log("\(error)")
        health.count("operator_failures_total")
        return "\(error)"
    }

    func tell(_ problem: String?) async {
        // One that waits for its turn is well; one that cannot even ask whose turn it is does nothing for anybody.
        let failure = await election.certainty == nil ? election.failure : nil
        health.problem = problem ?? failure.map { "cannot ask for the lease: \($0)" }
        let holder = await election.holder
        health.tell("leader", holder.isEmpty ? "nobody" : holder)
        health.tell("role", await election.certainty == nil ? "follower" : "leader")
    }

    /// The time for a request that only a leader may send, and only if it has led since it began to read.
    private func limit(_ term: Int) async throws -> Duration {
        guard let certainty = await election.certainty, await election.term == term else {
            throw OperatorError("it does not lead any more")
        }
        return min(Self.patience, certainty)
    }

    // MARK: Ranges

    private func giveRanges(_ memory: inout Memory, _ term: Int) async throws {
        guard let pool else { return }
        // What another leader wrote is seen: the list is the newest state, and nobody else writes in this term.
        let holders = try await store.holders(within: try await limit(term))
        let actions = RangeDecision(pool: pool).actions(holders, known: memory.known)
        memory.known = RangeDecision.held(holders, after: [])
        var failure: (any Error)?
        for action in actions {
            do {
                switch action {
                case .give(let holder, let range):
                    try await store.give(range, to: holder, within: try await limit(term))
                    memory.known[holder.name] = range
                    let before = holder.ranges.isEmpty ? "" : " in place of \(holder.ranges.joined(separator: ", "))"
                    log("gave \(holder.name) \(range)\(before)")
                    health.count("operator_ranges_given_total")
                case .say(let holder, let error):
                    try await store.say(error, to: holder, within: try await limit(term))
                    log("\(holder.name): \(error ?? "has a range again")")
                }
            } catch {
                // The others need not wait for one that has changed.
                failure = error
            }
        }
        health.set("operator_ranges_held", memory.known.count)
        if let failure { throw failure }
    }

    // MARK: What nobody uses

    private func collect(_ memory: inout Memory, _ term: Int) async throws {
        memory.isRoundLost = true
        let inventory = try await store.inventory(within: try await limit(term))
        memory.isRoundLost = false
        let used = Set(inventory.endpoints.map(\.identity))
        let identities = memory.identities.round(inventory.identities, used: used).map(\.metadata)
        let endpoints = memory.endpoints.round(inventory.endpoints.map(\.metadata), owners: inventory.pods)
        let nodes = memory.nodes.round(inventory.ciliumNodes, owners: inventory.nodes)
        health.set("operator_identities", inventory.identities.count)
        for (kind, objects) in [(Collected.endpoint, endpoints), (.node, nodes), (.identity, identities)] {
            for object in objects {
                do {
                    try await store.delete(kind, object, within: try await limit(term))
                    let name = object.namespace.isEmpty ? object.name : "\(object.namespace)/\(object.name)"
                    log("deleted \(kind.rawValue) \(name)")
                    health.count("operator_deleted_total{kind=\"\(kind.rawValue)\"}")
                } catch let error as KubeClientError where error.status?.code == 409 || error.status?.code == 404 {
                    // It has changed or gone meanwhile, so it is another matter.
                }
            }
        }
    }

    private final class Shared: Sendable {
        let value = Mutex(Due())
    }
}
