/// How long the host kept the nodes from running, moment by moment.
///
/// A packet passes through the emulators of two nodes, one thread after the other, so the waits of all threads are
/// added up, but never to more than the time that passed. The sum is the most that the host can be blamed for, which
/// may be more than it caused.
public struct Starvation: Sendable, Equatable {
    /// The time between two readings of the host's counters.
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

    /// The seconds that the nodes may have stood still in total.
    public var total: Double { intervals.reduce(0) { $0 + $1.starved } }

    /// The seconds that the intervals cover.
    public var seconds: Double { intervals.reduce(0) { $0 + $1.seconds } }

    /// The most that the nodes may have stood still within any span of this length, in seconds.
    ///
    /// A span may begin and end within an interval, so the intervals at its ends count as a whole.
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

/// Decides whether a claim about time says something about the lab, or only that the host had no processor free for it.
/// Times are in seconds.
public enum TimeClaim {
    /// If nodes take this many times as long as on a host with time to spare, their silence is not believed.
    package static let busy = 2.0

    /// The longest that a step lasts while the host keeps the nodes from running, in seconds: four times what it was
    /// given, or half a minute more than that, whichever is longer. A step of two seconds is no eight seconds' proof on
    /// a host that leaves the nodes a tenth of the time.
    static func most(within: Double) -> Double { max(4 * within, within + 30) }

    /// The time between the end of a round and the start of the next one, in seconds. A step's time may run out in it.
    package static let betweenRounds = 0.1

    /// Whether something took longer than it was allowed, and would not have on a host with time to spare.
    ///
    /// - Parameters:
    ///   - took: How long it took by the clock.
    ///   - limit: How long it was allowed to take.
    ///   - starved: How much of that time the nodes may have stood still for want of a processor.
    public static func isExplained(took: Double, limit: Double, starved: Double) -> Bool {
        took > limit && took - starved <= limit
    }

    /// Whether a silence says nothing, because the nodes had less than half of the time in which they were to answer.
    ///
    /// - Parameters:
    ///   - waited: How long an answer was waited for.
    ///   - asked: How long the scenario waits for answers.
    ///   - starved: How much of that time the nodes may have stood still for want of a processor.
    public static func isDoubtful(silence waited: Double, asked: Double, starved: Double) -> Bool {
        starved > 0 && waited - starved < asked / busy
    }

    /// Whether a step's time is over: either the nodes had the time that the step gives them, or the host will not let
    /// them have it.
    ///
    /// - Parameters:
    ///   - elapsed: The time since the step's last action.
    ///   - within: The time that the step gives.
    ///   - starved: How much of the elapsed time the nodes may have stood still for want of a processor.
    public static func isOver(elapsed: Double, within: Double, starved: Double) -> Bool {
        elapsed - starved >= within || elapsed >= most(within: within)
    }
}

/// How far a round's unanswered probes can be believed on the host on which they were sent. Times are in seconds.
public struct SilenceDoubt: Sendable, Equatable {
    /// How long the scenario lets probes wait.
    public var asked: Double
    /// How long they waited in this round.
    public var waited: Double
    /// The most of that time that the nodes may have stood still for want of a processor.
    public var starved: Double

    /// The defaults are those of a host with time to spare.
    public init(asked: Double = 1, waited: Double = 1, starved: Double = 0) {
        self.asked = asked
        self.waited = waited
        self.starved = starved
    }

    /// Why a silence says nothing about the lab, or nil if it does say something.
    public var reason: String? {
        guard TimeClaim.isDoubtful(silence: waited, asked: asked, starved: starved) else { return nil }
        return "the host was too busy to tell silence from slowness: its nodes may have stood still for "
            + "\(TimeClaim.millis(starved)) of the \(TimeClaim.millis(waited)) that an answer was waited for"
    }
}

extension TimeClaim {
    /// Formats seconds as `340 ms`.
    package static func millis(_ seconds: Double) -> String { "\(Int((max(0, seconds) * 1000).rounded())) ms" }

    /// Judges gaps that are longer than was accepted by the most that the host can be blamed for.
    ///
    /// - Parameters:
    ///   - gaps: The gaps of the streams, in milliseconds.
    ///   - limit: The longest gap that is accepted, in milliseconds.
    /// - Returns: nil if no gap is too long. Otherwise whether the host explains all gaps that are, and a sentence with
    ///   the reason.
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
}
