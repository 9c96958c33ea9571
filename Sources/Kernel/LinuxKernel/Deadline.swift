#if canImport(Glibc)
    import Glibc
#endif

/// A reading of CLOCK_MONOTONIC. The clock is never set back, and readings of different boots are not comparable.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since the clock's start.
    public let nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The present reading.
    public static var now: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Returns the time from `earlier` to this reading.
    public func since(_ earlier: MonotonicTime) -> Duration {
        .nanoseconds(nanoseconds - earlier.nanoseconds)
    }

    public static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        MonotonicTime(nanoseconds: time.nanoseconds + duration.wholeNanoseconds)
    }
}

/// A point in time by which something must have happened.
public struct Deadline: Hashable, Sendable {
    /// The last moment.
    public let time: MonotonicTime

    public init(at time: MonotonicTime) {
        self.time = time
    }

    /// A deadline this long from now.
    public static func after(_ duration: Duration) -> Deadline {
        Deadline(at: .now + duration)
    }

    /// The time that is left, or zero if it has passed.
    public var remaining: Duration {
        max(time.since(.now), .zero)
    }

    /// Whether it has passed.
    public var hasPassed: Bool { MonotonicTime.now >= time }

    /// The time that is left in milliseconds, rounded up, for poll(2) and epoll_wait(2).
    public var remainingMilliseconds: Int32 {
        let milliseconds = (remaining.wholeNanoseconds + 999_999) / 1_000_000
        return Int32(clamping: milliseconds)
    }
}

extension Duration {
    /// Whole nanoseconds. The type has room for 292 years.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// Seconds as a floating-point number, for reports.
    public var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

/// Waits until the descriptor is ready for `events` (`POLLIN`, `POLLOUT`). Returns `false` if the deadline passes
/// first. Hang-up and error count as ready, since the next read or write reports them.
public func waitUntilReady(_ descriptor: Int32, events: Int16, until deadline: Deadline) throws(SystemError) -> Bool {
    while true {
        var watched = pollfd(fd: descriptor, events: events, revents: 0)
        let ready = poll(&watched, 1, deadline.remainingMilliseconds)
        if ready > 0 { return true }
        if ready < 0 && errno != EINTR { throw .last("poll", "descriptor \(descriptor)") }
        if ready == 0 && deadline.hasPassed { return false }
    }
}
