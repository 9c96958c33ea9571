import LinuxKernel
import NodeProtocol
import Synchronization

/// The long-lived flows that this node sends, by plan.
package final class Streams: Sendable {
    static let maximumPlans = 16

    private let running = Mutex<[UInt64: StreamRun]>([:])

    package init() {}

    /// Starts a plan's flows, which run until `close`.
    package func open(_ plan: StreamPlan, namespacePath: @escaping @Sendable (PodReference) -> String) throws {
        let run = try StreamRun(plan)
        try running.withLock { running in
            guard running[plan.id] == nil else {
                throw NodeFailure(code: "already-open", message: "streams \(plan.id) are open")
            }
            guard running.count < Self.maximumPlans else {
                throw NodeFailure(code: "overloaded", message: "\(running.count) stream plans are open")
            }
            running[plan.id] = run
        }
        startThread("streams") { run.run(namespacePath) }
    }

    /// How the flows of a plan are doing.
    package func read(_ id: UInt64) throws -> [StreamReading] { try find(id).readings }

    /// Ends the flows of a plan.
    package func close(_ id: UInt64) throws {
        try find(id).stop()
        _ = running.withLock { $0.removeValue(forKey: id) }
    }

    private func find(_ id: UInt64) throws -> StreamRun {
        guard let run = running.withLock({ $0[id] }) else {
            throw NodeFailure(code: "not-found", message: "no streams \(id)")
        }
        return run
    }
}
