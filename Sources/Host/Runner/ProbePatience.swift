import Observations

/// How long probes wait for their answers.
///
/// The scenario's deadline is meant for a lab that answers within a fraction of it. Emulated nodes on a busy host
/// answer later, and a late answer would count as a lost one. The deadline is stretched only while the host kept the
/// emulators waiting for its processors. No fault in the lab can cause that.
struct ProbePatience: Sendable, Equatable {
    /// The deadline as a multiple of the slowest answer in a lab without faults.
    static let answers = 4.0
    /// The longest deadline, as a multiple of the one that the scenario asks for.
    static let most = 8.0
    /// From this stretch on, the host is so busy that unanswered probes are not believed at once.
    static let busy = TimeClaim.busy

    /// The scenario's deadline in seconds.
    let asked: Double
    /// The present deadline as a multiple of the scenario's: 1 in a lab that answers in time.
    private(set) var factor = 1.0

    init(asked: Double) { self.asked = asked }

    /// The present deadline in seconds.
    var deadline: Double { asked * factor }

    /// Learns from a round without faults in force. On a host with time to spare, the scenario's deadline is kept
    /// however slow the answers are.
    ///
    /// - Parameters:
    ///   - slowest: The slowest answer in seconds; nil if nothing answered.
    ///   - stretch: By what factor the nodes were slower than on a host with time to spare (`EmulatorTimes`).
    mutating func learn(slowest: Double?, stretch: Double) {
        guard let slowest else { return }
        factor = stretch < Self.busy ? 1 : min(max(1, slowest * Self.answers / asked), Self.most)
    }

    /// Reacts to a round in which probes that should have been answered were not.
    ///
    /// - Parameter stretch: By what factor the nodes were slower than on a host with time to spare (`EmulatorTimes`).
    mutating func doubt(stretch: Double) {
        guard stretch >= Self.busy else { return }
        factor = min(max(factor * 2, stretch), Self.most)
    }
}
