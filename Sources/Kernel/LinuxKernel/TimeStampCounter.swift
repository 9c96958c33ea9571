import CLinuxShim

/// The time-stamp counter of this machine's processors (x86-64), which counts at a rate of its own.
public enum TimeStampCounter {
    /// Measures how many ticks the counter makes in a millisecond, against CLOCK_MONOTONIC.
    ///
    /// The error is some nanoseconds of the interval; half a percent would do, see `LibvirtHypervisor`.
    ///
    /// - Parameter interval: The time over which it is measured.
    /// - Returns: Nil on a processor that has no such counter, or one that does not count on.
    public static func kilohertz(over interval: Duration = .milliseconds(20)) async throws -> Int? {
        let first = reading()
        try await Task.sleep(for: interval)
        return rate(from: first, to: reading())
    }

    /// The counter and the time at which it was read.
    struct Reading {
        var ticks: UInt64
        var time: MonotonicTime
    }

    /// Returns the ticks a millisecond between two readings.
    static func rate(from first: Reading, to last: Reading) -> Int? {
        let nanoseconds = last.time.nanoseconds - first.time.nanoseconds
        guard last.ticks > first.ticks, nanoseconds > 0 else { return nil }
        let kilohertz = Double(last.ticks - first.ticks) * 1e6 / Double(nanoseconds)
        return kilohertz < 1e9 ? Int(kilohertz.rounded()) : nil
    }

    /// Reads the counter between two readings of the clock. Of several tries the one with the least time in between
    /// counts, since this thread may have been interrupted in the others.
    private static func reading() -> Reading {
        var best = Reading(ticks: 0, time: .now)
        var narrowest = Int64.max
        for _ in 0..<16 {
            let before = MonotonicTime.now
            let ticks = linux_time_stamp()
            let width = MonotonicTime.now.nanoseconds - before.nanoseconds
            guard width < narrowest else { continue }
            narrowest = width
            best = Reading(ticks: ticks, time: MonotonicTime(nanoseconds: before.nanoseconds + width / 2))
        }
        return best
    }
}
