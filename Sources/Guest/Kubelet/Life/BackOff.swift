/// Delays that double with every failure (`flowcontrol.Backoff`, from 10 s to 300 s).
struct BackOff: Sendable {
    static let initial = Duration.seconds(10)
    static let limit = Duration.seconds(300)

    private(set) var delay = Duration.zero
    private var updated: Duration?

    /// When the delay is over that began with an event; nil if it is over or there is none.
    func end(since event: Duration, now: Duration) -> Duration? {
        guard let updated, event - updated <= Self.limit * 2, now < event + delay else { return nil }
        return event + delay
    }

    /// When the delay is over that began with the last failure; nil if it is over or there is none.
    func endSinceUpdate(now: Duration) -> Duration? {
        guard let updated, now < updated + delay else { return nil }
        return updated + delay
    }

    /// Lengthens the delay. After twice the longest delay without a failure it begins anew.
    mutating func next(since event: Duration, now: Duration) {
        if let updated, event - updated <= Self.limit * 2 {
            delay = min(delay * 2, Self.limit)
        } else {
            delay = Self.initial
        }
        updated = now
    }
}
