import Kubelet
import KubeletServer
import Synchronization

/// The runs of containers that the node remembers: their logs, and what stops them.
final class ContainerTable: Sendable {
    private struct Run: Sendable {
        let log: ContainerLog
        let plan: ContainerPlan
        var hasEnded = false
        var stopping: Task<Void, any Error>?
    }

    private let runs = Mutex<[ContainerIdentity: Run]>([:])

    func add(_ plan: ContainerPlan) -> ContainerLog {
        let log = ContainerLog()
        runs.withLock { $0[plan.identity] = Run(log: log, plan: plan) }
        return log
    }

    func log(of container: ContainerIdentity) -> ContainerLog? { runs.withLock { $0[container]?.log } }

    func plan(of container: ContainerIdentity) -> ContainerPlan? { runs.withLock { $0[container]?.plan } }

    func isRunning(_ container: ContainerIdentity) -> Bool { runs.withLock { $0[container]?.hasEnded == false } }

    /// Notes what stops a container, in place of what did so with a longer grace.
    func stopping(_ container: ContainerIdentity, by task: Task<Void, any Error>) {
        let obsolete = runs.withLock { runs in
            guard let run = runs[container], !run.hasEnded else { return task as Task<Void, any Error>? }
            runs[container]?.stopping = task
            return run.stopping
        }
        obsolete?.cancel()
    }

    func ended(_ container: ContainerIdentity) {
        let obsolete = runs.withLock { runs in
            runs[container]?.hasEnded = true
            return runs[container]?.stopping
        }
        obsolete?.cancel()
    }

    func remove(_ container: ContainerIdentity) {
        let obsolete = runs.withLock { $0.removeValue(forKey: container)?.stopping }
        obsolete?.cancel()
    }
}

/// Holds the end of a container back until its start has been told.
final class StartGate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    func ended(_ tell: @escaping @Sendable () -> Void) {
        let isOpen = state.withLock { state in
            if !state.isOpen { state.waiting = tell }
            return state.isOpen
        }
        if isOpen { tell() }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            return state.waiting
        }
        waiting?()
    }
}
