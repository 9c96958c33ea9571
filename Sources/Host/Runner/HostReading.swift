import Foundation
import Observations
import RunEvents

/// The host's counters at one moment. Two readings make a `HostLoad`, a row of them a `Starvation`.
struct HostReading: Sendable {
    /// The time of the reading, by the host's monotonic clock. Neither a node's date nor the host's own affects it.
    var at: ContinuousClock.Instant
    var emulators: EmulatorTimes
    /// The microseconds in which some task of the host waited for a processor, from `/proc/pressure/cpu`.
    var pressureMicros: UInt64?
    /// The time of all processors together, and the part of it that was stolen, in ticks, from the first line of
    /// `/proc/stat`.
    var ticks: Ticks?
    /// The load average of the last minute, from `/proc/loadavg`.
    var loadAverage: Double?

    struct Ticks: Sendable, Equatable {
        var all: UInt64
        var stolen: UInt64
    }

    /// - Parameter proc: The mount point of `/proc`. Values that the kernel does not provide are nil.
    static func read(_ proc: String = "/proc") -> HostReading {
        func text(_ path: String) -> String {
            FileManager.default.contents(atPath: "\(proc)/\(path)").map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        return HostReading(
            at: .now, emulators: .read(proc), pressureMicros: pressure(text("pressure/cpu")),
            ticks: ticks(text("stat")),
            loadAverage: text("loadavg").split(separator: " ").first.flatMap { Double($0) })
    }

    /// Returns the total of the line `some avg10=… avg60=… avg300=… total=MICROSECONDS`.
    static func pressure(_ text: String) -> UInt64? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("some ") }),
            let total = line.split(separator: " ").first(where: { $0.hasPrefix("total=") })
        else { return nil }
        return UInt64(total.dropFirst("total=".count))
    }

    /// Reads the line `cpu user nice system idle iowait irq softirq steal …`. The time of guests is part of `user` and
    /// not counted again.
    static func ticks(_ text: String) -> Ticks? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("cpu ") }) else { return nil }
        let numbers = line.split(separator: " ").dropFirst().prefix(8).compactMap { UInt64($0) }
        guard numbers.count == 8 else { return nil }
        return Ticks(all: numbers.reduce(0) { $0 &+ $1 }, stolen: numbers[7])
    }

    /// Returns the share of all processors' time that was stolen since an earlier reading, 0…1.
    func stolenShare(since before: HostReading) -> Double? {
        guard let ticks, let old = before.ticks, ticks.all > old.all, ticks.stolen >= old.stolen else { return nil }
        return min(1, Double(ticks.stolen - old.stolen) / Double(ticks.all - old.all))
    }
}

extension HostReading {
    /// Ticks a second in `/proc/stat` (USER_HZ), the same on every kernel of this architecture.
    static let ticksPerSecond = 100.0

    /// Returns the seconds of processor time that were stolen since an earlier reading, summed over all processors.
    func stolenSeconds(since before: HostReading) -> Double {
        guard let ticks, let old = before.ticks, ticks.stolen >= old.stolen else { return 0 }
        return Double(ticks.stolen - old.stolen) / Self.ticksPerSecond
    }
}

extension HostLoad {
    /// Computes what the host did between two readings.
    init(from before: HostReading, to after: HostReading) {
        let seconds = max(0, (after.at - before.at) / .seconds(1))
        let times = after.emulators.threads.reduce(into: (ran: 0.0, waited: 0.0)) { sum, entry in
            let delta = entry.value.since(before.emulators.threads[entry.key])
            sum.ran += delta.ran
            sum.waited += delta.waited
        }
        var pressure: Double?
        if let old = before.pressureMicros, let new = after.pressureMicros, new >= old, seconds > 0 {
            pressure = min(1, Double(new - old) / 1e6 / seconds)
        }
        self.init(
            seconds: seconds, loadAverage: after.loadAverage, pressure: pressure,
            steal: after.stolenShare(since: before), emulatorsRan: times.ran, emulatorsWaited: times.waited)
    }
}

extension Starvation {
    /// Computes the time that the host kept the nodes from running, between neighbouring readings.
    ///
    /// The kernel adds a thread's wait to its `schedstat` only when the wait is over. A wait that is longer than the
    /// interval in which it appears began in earlier intervals, and is distributed over those.
    init(_ readings: [HostReading]) {
        let pairs = Array(zip(readings, readings.dropFirst()))
        let lengths = pairs.map { max(0, ($1.at - $0.at) / .seconds(1)) }
        var waited = [Double](repeating: 0, count: pairs.count)
        for (index, (before, after)) in pairs.enumerated() {
            for (name, thread) in after.emulators.threads {
                var left = thread.since(before.emulators.threads[name]).waited
                var place = index
                while left > 0, place >= 0 {
                    waited[place] += min(left, lengths[place])
                    left -= lengths[place]
                    place -= 1
                }
            }
            waited[index] += after.stolenSeconds(since: before)
        }
        self.init(zip(lengths, waited).map { Interval(seconds: $0, starved: min($0, $1)) })
    }
}

/// Reads the host's counters some times a second while a step runs.
actor HostWatch {
    /// The time between two readings. The kernel reports a wait when it ends, so a shorter interval would reveal no
    /// more.
    static let interval = Duration.milliseconds(100)

    private var readings: [HostReading]
    private var task: Task<Void, Never>?

    /// Starts reading at once. `stop` ends it.
    init() {
        readings = [.read()]
    }

    func start() {
        guard task == nil else { return }
        task = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                await self?.read()
            }
        }
    }

    func stop() {
        task?.cancel()
        task = nil
    }

    /// Returns the readings from the last one before a moment until now. These are at least two.
    func readings(since moment: ContinuousClock.Instant) -> [HostReading] {
        read()
        let first = readings.lastIndex(where: { $0.at <= moment }) ?? 0
        return Array(readings[min(first, max(0, readings.count - 2))...])
    }

    /// Returns the first reading and a new one.
    func whole() -> (first: HostReading, last: HostReading)? {
        read()
        guard let first = readings.first, let last = readings.last else { return nil }
        return (first, last)
    }

    private func read() { readings.append(.read()) }
}
