import RunEvents

/// Sends a run's events, each with its time since the run's start.
public final class Emitter: Sendable {
    private let started = ContinuousClock.now
    private let sink: @Sendable (RunEvent) -> Void

    public init(sink: @escaping @Sendable (RunEvent) -> Void) { self.sink = sink }

    /// Seconds since the run's start.
    public var elapsed: Double { (ContinuousClock.now - started).inSeconds }

    /// Seconds from the run's start to a moment.
    func elapsed(at moment: ContinuousClock.Instant) -> Double { (moment - started).inSeconds }

    public func emit(_ payload: RunEvent.Payload) { sink(RunEvent(at: elapsed, payload: payload)) }

    public func log(_ level: LogRecord.Level, _ source: String, _ message: String) {
        emit(.log(LogRecord(level: level, source: source, message: String(message.prefix(4096)))))
    }

    /// Runs a phase and reports how long it took, even if it fails.
    public func phase<Result>(
        _ phase: Phase, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async rethrows -> Result {
        let since = ContinuousClock.now
        emit(.phaseStarted(phase: phase))
        defer { emit(.phaseFinished(phase: phase, seconds: (ContinuousClock.now - since).inSeconds)) }
        return try await body()
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
