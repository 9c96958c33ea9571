import Observations

/// How long probes wait for their answers.
///
/// The scenario's deadline tells lost from answered on a lab that answers within a fraction of it. Emulated nodes on a
/// busy host answer later, and what is only slow would read as lost. The deadline is stretched only while the host kept
/// the emulators waiting for its processors, which no fault in the lab can make it do.
struct ProbePatience: Sendable, Equatable {
    /// Deadline in slowest answers of a lab without faults.
    static let answers = 4.0
    /// The most, in deadlines that the scenario asks for.
    static let most = 8.0
    /// From here on a host is too busy for its unanswered probes to be believed at once.
    static let busy = TimeClaim.busy

    /// Of the scenario, in seconds.
    let asked: Double
    /// In deadlines that the scenario asks for: 1 on a lab that answers in time.
    private(set) var factor = 1.0

    init(asked: Double) { self.asked = asked }

    /// In force, in seconds.
    var deadline: Double { asked * factor }

    /// Learns from a round without faults in force. On a host with time to spare the scenario's deadline holds, however
    /// slow answers are.
    ///
    /// - Parameters:
    ///   - slowest: the slowest answer, in seconds; nil when nothing answered.
    ///   - stretch: how many times as long as on a host with time to spare the nodes took (`EmulatorTimes`).
    mutating func learn(slowest: Double?, stretch: Double) {
        guard let slowest else { return }
        factor = stretch < Self.busy ? 1 : min(max(1, slowest * Self.answers / asked), Self.most)
    }

    /// A round had unanswered probes that should have been answered.
    ///
    /// - Parameter stretch: how many times as long as on a host with time to spare its nodes took (`EmulatorTimes`).
    mutating func doubt(stretch: Double) {
        guard stretch >= Self.busy else { return }
        factor = min(max(factor * 2, stretch), Self.most)
    }
}
