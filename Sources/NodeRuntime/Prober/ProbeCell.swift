import NodeProtocol

/// One source, target and protocol while it is measured. Times are microseconds since the plan's start.
struct ProbeCell {
    /// Position in the plan's sources and targets, not their indices.
    let source: Int
    let target: Int
    let code: ProbeProtocolCode

    var outcome: ProbeOutcome?
    /// TCP connection; -1 without one.
    var descriptor: Int32 = -1
    var isConnected = false
    var firstSent: Int64 = 0
    var lastSent: Int64 = 0
    var sent: UInt16 = 0
    var answered: UInt16 = 0
    /// One bit a sequence number, of trains.
    var answeredSequences: [UInt64] = []
    var roundTrip: UInt32 = .max
    var localPort: UInt16 = 0
    var seen: SeenAddress?
    /// What a refused send or an ICMP message said while packets of the train are still out.
    var failure: ProbeOutcome?
    var isYoung = false

    init(source: Int, target: Int, code: ProbeProtocolCode) {
        self.source = source
        self.target = target
        self.code = code
    }

    /// Notes the answer to one packet; false when it is a duplicate.
    mutating func answer(sequence: UInt16, isTrain: Bool) -> Bool {
        guard isTrain else {
            guard answered == 0 else { return false }
            answered = 1
            return true
        }
        let word = Int(sequence / 64)
        let bit = UInt64(1) << UInt64(sequence % 64)
        while answeredSequences.count <= word { answeredSequences.append(0) }
        guard answeredSequences[word] & bit == 0, sequence < sent else { return false }
        answeredSequences[word] |= bit
        answered += 1
        return true
    }

    /// What it came to when the plan ends.
    func finalOutcome(count: Int) -> ProbeOutcome {
        if let outcome { return outcome }
        if answered == 0 { return sent == 0 ? .notMeasured(error: 0) : failure ?? .timeout(error: 0) }
        guard count > 1, answered < sent else { return .open }
        let lost = Int(sent - answered) * 100 / Int(sent)
        return .loss(percent: UInt8(min(99, max(1, lost))))
    }
}
