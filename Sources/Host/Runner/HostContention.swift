import Foundation

/// The processor time of the emulators' threads: how long each ran, and how long it was ready to run and waited for a
/// processor of the host.
///
/// The numbers are nanoseconds from `/proc/PID/task/TID/schedstat` (Documentation/scheduler/sched-stats.rst in the
/// Linux sources).
struct EmulatorTimes: Sendable {
    struct Thread: Sendable, Equatable {
        var ran: UInt64
        var waited: UInt64

        init(ran: UInt64, waited: UInt64) {
            self.ran = ran
            self.waited = waited
        }

        /// - Parameter text: The content of a `schedstat`. The result is nil if it does not begin with two numbers.
        init?(_ text: String) {
            let numbers = text.split(whereSeparator: \.isWhitespace).prefix(2).compactMap { UInt64($0) }
            guard numbers.count == 2 else { return nil }
            self.init(ran: numbers[0], waited: numbers[1])
        }

        /// Returns the seconds since an earlier reading of the same thread, or since the thread's start if there is
        /// none. If the numbers have decreased, they belong to another thread and tell nothing.
        func since(_ before: Thread?) -> (ran: Double, waited: Double) {
            let old = before ?? Thread(ran: 0, waited: 0)
            guard ran >= old.ran, waited >= old.waited else { return (0, 0) }
            return (Double(ran - old.ran) / 1e9, Double(waited - old.waited) / 1e9)
        }
    }

    /// By the thread's number.
    var threads: [String: Thread] = [:]

    /// Reads the emulators that this process sees. Inside a lab these are the lab's own. The result is empty if the
    /// kernel does not provide the numbers.
    static func read(_ proc: String = "/proc") -> EmulatorTimes {
        let files = FileManager.default
        func text(_ path: String) -> String? {
            files.contents(atPath: "\(proc)/\(path)").map { String(decoding: $0, as: UTF8.self) }
        }
        var times = EmulatorTimes()
        for process in (try? files.contentsOfDirectory(atPath: proc)) ?? [] where UInt32(process) != nil {
            guard text("\(process)/comm")?.hasPrefix("qemu-system") == true else { continue }
            for thread in (try? files.contentsOfDirectory(atPath: "\(proc)/\(process)/task")) ?? [] {
                times.threads[thread] = text("\(process)/task/\(thread)/schedstat").flatMap(Thread.init)
            }
        }
        return times
    }

    /// The largest value of `stretch`.
    static let mostStretch = 20.0

    /// Returns by what factor the busiest thread was slower since then than on a host with time to spare. It is 1 if no
    /// thread waited.
    ///
    /// A thread that hardly ran but waited long gives a meaningless ratio: with 1 ms of work after 341 ms of waiting,
    /// the node is not 342 times as slow. A thread therefore counts as if it had run for at least a twentieth of the
    /// time.
    ///
    /// - Parameters:
    ///   - before: An earlier reading.
    ///   - seconds: The time in between, by the host's monotonic clock. A thread that was ready for less than a fifth
    ///     of it is ignored.
    func stretch(since before: EmulatorTimes, seconds: Double) -> Double {
        threads.reduce(1) { longest, entry in
            guard let old = before.threads[entry.key] else { return longest }
            let (ran, waited) = entry.value.since(old)
            guard ran > 0, ran + waited >= seconds / 5 else { return longest }
            return max(longest, min((ran + waited) / max(ran, seconds / Self.mostStretch), Self.mostStretch))
        }
    }
}
