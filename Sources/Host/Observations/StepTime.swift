import RunEvents

/// How much of a step's time the host left to the nodes. Times are in seconds, from the step's last action on.
public struct StepTime: Sendable, Equatable {
    /// When the first of the rounds that agree with the expectations began. It is nil if the last round does not agree.
    public var agreedAfter: Double?
    /// How long the step measured.
    public var elapsed: Double
    /// The time that the step gives.
    public var within: Double
    /// How much of the elapsed time the nodes may have stood still for want of a processor.
    public var starved: Double

    public init(agreedAfter: Double?, elapsed: Double, within: Double, starved: Double) {
        self.agreedAfter = agreedAfter
        self.elapsed = elapsed
        self.within = within
        self.starved = starved
    }

    /// Whether the lab did not get the step's time to come to what is expected, and has not come to it.
    package var isLacking: Bool { agreedAfter == nil && starved > 0 && elapsed - starved < within }

    /// Makes inconclusive what is unmet, if the lab did not get the step's time.
    ///
    /// - Parameter certain: The names of the results that more time would not have changed.
    package func takingBack(_ results: [ExpectationResult], except certain: Set<String> = []) -> [ExpectationResult] {
        guard isLacking else { return results }
        return results.map { old in
            guard old.state == .unmet, !certain.contains(old.name) else { return old }
            return ExpectationResult(
                name: old.name, state: .inconclusive,
                message: "\(old.message); the step gives \(TimeClaim.millis(within)), but \(host)", why: old.why,
                seconds: old.seconds, retries: old.retries, lastUnmet: old.lastUnmet)
        }
    }

    /// Returns the results of the round that is judged, as `takingBack` does. If all that is expected held, but too
    /// late, an inconclusive result is added.
    package func judged(_ results: [ExpectationResult], except certain: Set<String> = []) -> [ExpectationResult] {
        guard let agreedAfter, agreedAfter > within + TimeClaim.betweenRounds, starved > 0 else {
            return takingBack(results, except: certain)
        }
        return results + [
            ExpectationResult(
                "within \(TimeClaim.millis(within))", .inconclusive,
                "the expectations held only \(TimeClaim.millis(agreedAfter)) after the step's actions, but \(host)")
        ]
    }

    private var host: String {
        "the host kept the nodes from running for up to \(TimeClaim.millis(starved)) of \(TimeClaim.millis(elapsed))"
    }
}
