import Foundation

/// Processor time of the emulators' threads: how long each ran, and how long it was ready and waited for a processor of the host.
///
/// From `/proc/PID/task/TID/schedstat` (Documentation/scheduler/sched-stats.rst in the Linux sources), nanoseconds.
struct EmulatorTimes: Sendable {
    struct Thread: Sendable, Equatable {
        var ran: UInt64
        var waited: UInt64

        init(ran: UInt64, waited: UInt64) {
            self.ran = ran
            self.waited = waited
        }

        /// - Parameter text: a `schedstat`; nil when it does not begin with two numbers.
        init?(_ text: String) {
            let numbers = text.split(whereSeparator: \.isWhitespace).prefix(2).compactMap { UInt64($0) }
            guard numbers.count == 2 else { return nil }
            self.init(ran: numbers[0], waited: numbers[1])
        }
    }

    var threads: [String: Thread] = [:]

    /// Of the emulators that this process sees: inside a lab, the lab's own. Empty where the kernel does not tell.
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

    /// How many times as long as on a host with time to spare the busiest threads took since then: 1 when none of them waited.
    ///
    /// - Parameters:
    ///   - before: an earlier reading.
    ///   - seconds: the time between. A thread that was not ready for a fifth of it says nothing.
    func stretch(since before: EmulatorTimes, seconds: Double) -> Double {
        threads.reduce(1) { longest, entry in
            guard let old = before.threads[entry.key], entry.value.ran > old.ran, entry.value.waited >= old.waited
            else {
                return longest
            }
            let (ran, waited) = (Double(entry.value.ran - old.ran), Double(entry.value.waited - old.waited))
            guard ran + waited >= seconds * 1e9 / 5 else { return longest }
            return max(longest, (ran + waited) / ran)
        }
    }
}
