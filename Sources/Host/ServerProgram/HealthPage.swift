import Synchronization

/// What a program says of its health, and its counters.
public final class HealthPage: Sendable {
    private struct State {
        var problem: String? = "it has just been started"
        var words: [String: String] = [:]
        var counters: [String: Int] = [:]
    }
    private let state = Mutex(State())

    public init() {}

    /// Why the program cannot do its work; nil if it can.
    public var problem: String? {
        get { state.withLock { $0.problem } }
        set { state.withLock { $0.problem = newValue } }
    }

    /// Says something of the program's state: `leader`, `labrun-operator-1f3a`.
    public func tell(_ name: String, _ value: String) { state.withLock { $0.words[name] = value } }

    public func count(_ name: String, _ more: Int = 1) { state.withLock { $0.counters[name, default: 0] += more } }

    public func set(_ name: String, _ value: Int) { state.withLock { $0.counters[name] = value } }

    /// The answer to `/healthz`: `ok` and what was told, a line each, or the problem.
    var answer: (status: Int, text: String) {
        state.withLock { state in
            let told = state.words.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            let lines = [state.problem ?? "ok"] + told
            return (state.problem == nil ? 200 : 503, lines.joined(separator: "\n"))
        }
    }

    /// The answer to `/metrics`, in Prometheus' text format.
    var metrics: String {
        state.withLock { state in
            state.counters.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
        }
    }
}
