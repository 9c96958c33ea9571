import Synchronization

/// The unexpected ends of nodes and agents. Each is a failure of the lab.
///
/// Several runs may watch it, one after the other. What fails while nobody watches is kept for the next one.
final class FailureLog: Sendable {
    private struct State {
        var unseen: [LabError] = []
        var watcher: AsyncStream<LabError>.Continuation?
        var isFinished = false
    }

    /// The most failures that are kept unseen. The first one ends a run, so the rest hardly matter.
    private static let kept = 16
    private let state = Mutex(State())

    func add(_ error: LabError) {
        state.withLock { state in
            if let watcher = state.watcher, case .enqueued = watcher.yield(error) { return }
            if state.unseen.count < Self.kept { state.unseen.append(error) }
        }
    }

    /// Yields the failures that nobody has seen, and then those to come. An earlier stream ends.
    func watch() -> AsyncStream<LabError> {
        let (stream, continuation) = AsyncStream.makeStream(of: LabError.self)
        state.withLock { state in
            state.watcher?.finish()
            for error in state.unseen { continuation.yield(error) }
            state.unseen = []
            state.watcher = continuation
            if state.isFinished { continuation.finish() }
        }
        return stream
    }

    /// What failed since the last stream ended.
    var unseen: [LabError] { state.withLock { $0.unseen } }

    func finish() {
        state.withLock { state in
            state.isFinished = true
            state.watcher?.finish()
        }
    }
}
