import RunEvents

/// How long the host kept the nodes from running, moment by moment.
///
/// A packet passes through the emulators of two nodes, one thread after the other, so the waits of all threads count,
/// but never for more than the time that passed. That is the most that the host can be blamed for, not what it is to
/// blame for.
public struct Starvation: Sendable, Equatable {
    /// A stretch of time between two readings of the host's counters.
    public struct Interval: Sendable, Equatable {
        /// How long it was, in seconds.
        public var seconds: Double
        /// How much of it a node may have stood still for want of a processor, in seconds.
        public var starved: Double

        public init(seconds: Double, starved: Double) {
            self.seconds = seconds
            self.starved = starved
        }
    }

    public var intervals: [Interval]

    public init(_ intervals: [Interval] = []) { self.intervals = intervals }

    /// Seconds that the nodes may have stood still in all.
    public var total: Double { intervals.reduce(0) { $0 + $1.starved } }

    /// Seconds that it covers.
    public var seconds: Double { intervals.reduce(0) { $0 + $1.seconds } }

    /// The most that the nodes may have stood still within any span of this length, in seconds.
    ///
    /// A span begins and ends within intervals, so those at its ends count whole.
    public func most(within span: Double) -> Double {
        var most = 0.0
        for first in intervals.indices {
            var starved = intervals[first].starved
            // Only the last moment of the first interval may belong to the span, so its length does not count.
            var covered = 0.0
            for interval in intervals[(first + 1)...] {
                guard covered < span else { break }
                starved += interval.starved
                covered += interval.seconds
            }
            most = max(most, starved)
        }
        return min(most, max(0, span))
    }
}

/// Whether a claim about time tells of the lab, or only of a host that had no processor free for it. Times in seconds.
public enum TimeClaim {
    /// Nodes that take this many times as long as on a host with time to spare are not believed when they are silent.
    package static let busy = 2.0

    /// How often the time that a step was given is waited for at most while the host keeps the nodes from running.
    package static let mostExtension = 4.0

    /// Between the end of a round and the start of the next one, in seconds: the step's time may run out there.
    package static let betweenRounds = 0.1

    /// Something took longer than it was allowed, and would not have on a host with time to spare.
    ///
    /// - Parameters:
    ///   - took: how long it took by the clock.
    ///   - limit: how long it was allowed to take.
    ///   - starved: how much of that time the nodes may have stood still for want of a processor.
    public static func isExplained(took: Double, limit: Double, starved: Double) -> Bool {
        took > limit && took - starved <= limit
    }

    /// A silence says nothing, since the nodes had less than half of the time to answer in that they were to have.
    ///
    /// - Parameters:
    ///   - waited: how long an answer was waited for.
    ///   - asked: how long the scenario waits for answers.
    ///   - starved: how much of that time the nodes may have stood still for want of a processor.
    public static func isDoubtful(silence waited: Double, asked: Double, starved: Double) -> Bool {
        starved > 0 && waited - starved < asked / busy
    }

    /// Whether a step's time is over: the nodes had what the step gives them, or the host will not let them have it.
    ///
    /// - Parameters:
    ///   - elapsed: time since the step's last action.
    ///   - within: time that the step gives.
    ///   - starved: how much of the elapsed time the nodes may have stood still for want of a processor.
    public static func isOver(elapsed: Double, within: Double, starved: Double) -> Bool {
        elapsed - starved >= within || elapsed >= within * mostExtension
    }
}

/// What a round's unanswered probes are worth on the host that they were sent on. Times in seconds.
public struct SilenceDoubt: Sendable, Equatable {
    /// How long the scenario lets probes wait.
    public var asked: Double
    /// How long they waited in this round.
    public var waited: Double
    /// The most of that time that the nodes may have stood still for want of a processor.
    public var starved: Double

    /// Of a host with time to spare, unless said otherwise.
    public init(asked: Double = 1, waited: Double = 1, starved: Double = 0) {
        self.asked = asked
        self.waited = waited
        self.starved = starved
    }

    /// Why silence says nothing of the lab; nil when it does.
    public var reason: String? {
        guard TimeClaim.isDoubtful(silence: waited, asked: asked, starved: starved) else { return nil }
        return "the host was too busy to tell silence from slowness: its nodes may have stood still for "
            + "\(TimeClaim.millis(starved)) of the \(TimeClaim.millis(waited)) that an answer was waited for"
    }
}

extension TimeClaim {
    /// `340 ms`
    package static func millis(_ seconds: Double) -> String { "\(Int((max(0, seconds) * 1000).rounded())) ms" }

    /// The first gap that is longer than was accepted, judged by the most that the host can be blamed for.
    ///
    /// - Parameters:
    ///   - gaps: of the streams, in milliseconds.
    ///   - limit: the longest that is accepted, in milliseconds.
    /// - Returns: nil when no gap is too long; else whether all that are can be the host's, and in words why.
    package static func gaps(
        _ gaps: [Int], limit: Int, starvation: Starvation
    ) -> (explained: Bool, words: String)? {
        let long = gaps.filter { $0 > limit }.sorted(by: >)
        guard let longest = long.first else { return nil }
        let judged = long.map { gap in
            let (took, starved) = (Double(gap) / 1000, starvation.most(within: Double(gap) / 1000))
            return (gap, starved, isExplained(took: took, limit: Double(limit) / 1000, starved: starved))
        }
        if let plain = judged.first(where: { !$0.2 }) {
            return (
                false, "at most \(limit) ms were accepted, and the host explains \(millis(plain.1)) of \(plain.0) ms"
            )
        }
        return (
            true,
            "at most \(limit) ms were accepted, but the host kept the nodes from running for up to "
                + "\(millis(judged[0].1)) of \(longest) ms, so that this may be the host's and not the lab's"
        )
    }

    /// What a step's results are once it is known how much time the host left to the nodes.
    ///
    /// - Parameters:
    ///   - results: of the round that is judged.
    ///   - agreedAfter: when the first of the rounds that agree began, in seconds since the step's last action; nil
    ///     when the last round does not agree.
    ///   - elapsed: seconds since the step's last action.
    ///   - within: the seconds that the step gives.
    ///   - starved: how much of the elapsed time the nodes may have stood still for want of a processor, in seconds.
    package static func judged(
        _ results: [ExpectationResult], agreedAfter: Double?, elapsed: Double, within: Double, starved: Double
    ) -> [ExpectationResult] {
        let host = "the host kept the nodes from running for up to \(millis(starved)) of \(millis(elapsed))"
        if let agreedAfter {
            guard agreedAfter > within + betweenRounds, starved > 0 else { return results }
            return results + [
                ExpectationResult(
                    "within \(millis(within))", .inconclusive,
                    "the expectations held only \(millis(agreedAfter)) after the step's actions, but \(host)")
            ]
        }
        guard elapsed - starved < within, starved > 0 else { return results }
        return results.map { old in
            guard old.state == .unmet else { return old }
            return ExpectationResult(
                name: old.name, state: .inconclusive,
                message: "\(old.message); the step gives \(millis(within)), but \(host)", why: old.why,
                seconds: old.seconds, retries: old.retries)
        }
    }
}
