/// The pauses between tries at a server that is away or refuses: they double up to a longest one, and each is drawn
/// between its half and its whole, so that many agents do not come at one moment.
public struct Backoff: Sendable {
    public var first = Duration.milliseconds(200)
    public var longest = Duration.seconds(5)
    private var failures = 0

    public init() {}

    /// The pause after one more failure.
    public mutating func next(chance: Double = .random(in: 0..<1)) -> Duration {
        failures = min(failures + 1, 32)
        var whole = first
        for _ in 1..<failures where whole < longest { whole *= 2 }
        return min(whole, longest) * (0.5 + min(max(chance, 0), 1) / 2)
    }

    public mutating func reset() { failures = 0 }
}

/// Wakes one reader, once for several calls that come together.
public final class Wakeup: Sendable {
    private let send: AsyncStream<Void>.Continuation
    public let calls: AsyncStream<Void>

    public init() { (calls, send) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    public func wake() { send.yield() }
}
