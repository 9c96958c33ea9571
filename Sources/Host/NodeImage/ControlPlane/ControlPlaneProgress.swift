import Synchronization

/// A part of the build of the control plane's programs.
public enum ControlPlaneStep: String, Sendable, CaseIterable {
    case unpack = "unpacking the sources and the compiler"
    case generator = "compiling the generator of the API's description"
    case description = "describing the API"
    case servers = "compiling the servers"
    case finish = "linking and storing the programs"

    /// Its share of the build's time. Only the ratios count; they are seconds on two processors of 2026.
    var weight: Double {
        switch self {
        case .unpack: 12
        case .generator: 22
        case .description: 6
        case .servers: 170
        case .finish: 8
        }
    }

    /// How many packages its compiler names, or 0 where it names none.
    var packages: Int {
        switch self {
        case .generator: 203
        case .servers: 1481
        default: 0
        }
    }
}

/// How far a build is, and how long the rest of it takes if it goes on as fast as until now.
///
/// Steps may run side by side. It tells a state at the begin of a step, and then at most every ten seconds.
final class ControlPlaneProgress: Sendable {
    struct State: Sendable, Equatable {
        let step: ControlPlaneStep
        /// Of all work, from 0 to 1.
        let done: Double
        /// The time left, in seconds.
        let secondsLeft: Int
    }

    private struct Work {
        /// What is done of each step, from 0 to 1.
        var done: [ControlPlaneStep: Double] = [:]
        var compiled: [ControlPlaneStep: Int] = [:]
        var told: Duration?
    }

    private let work = Mutex(Work())
    private let elapsed: @Sendable () -> Duration
    private let tell: @Sendable (State) -> Void
    private static let interval: Duration = .seconds(10)

    /// - Parameters:
    ///   - elapsed: How long the build has been running.
    ///   - tell: It is called with every state that is told.
    init(elapsed: @escaping @Sendable () -> Duration, tell: @escaping @Sendable (State) -> Void) {
        self.elapsed = elapsed
        self.tell = tell
    }

    func begin(_ step: ControlPlaneStep) {
        let now = elapsed()
        tell(
            work.withLock { work in
                work.told = now
                work.done[step] = work.done[step] ?? 0
                return Self.state(step, work, now)
            })
    }

    /// Counts a package whose compilation began.
    func compiled(_ step: ControlPlaneStep) {
        let now = elapsed()
        let state: State? = work.withLock { work in
            work.compiled[step, default: 0] += 1
            // The count may be a little off with another version, and the last packages take longer.
            let share = Double(work.compiled[step, default: 0]) / Double(max(1, step.packages))
            work.done[step] = min(0.98, share)
            guard now - (work.told ?? .zero) >= Self.interval else { return nil }
            work.told = now
            return Self.state(step, work, now)
        }
        if let state { tell(state) }
    }

    func end(_ step: ControlPlaneStep) {
        work.withLock { $0.done[step] = 1 }
    }

    private static func state(_ step: ControlPlaneStep, _ work: Work, _ elapsed: Duration) -> State {
        let all = ControlPlaneStep.allCases.reduce(0) { $0 + $1.weight }
        let done = ControlPlaneStep.allCases.reduce(0) { $0 + $1.weight * (work.done[$1] ?? 0) }
        // What has taken long enough tells this machine's speed; until then it is that of the weights.
        let pace = done < 8 ? 1 : (elapsed / .seconds(1)) / done
        return State(step: step, done: done / all, secondsLeft: Int(((all - done) * pace).rounded(.up)))
    }
}
