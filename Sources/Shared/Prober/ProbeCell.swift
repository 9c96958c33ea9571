import NodeProtocol

/// One source, target and protocol while it is measured. Times are microseconds since the plan's start.
struct ProbeCell {
    /// Position in the plan's sources and targets, not their indices.
    let source: Int
    let target: Int
    let code: ProbeProtocolCode
    /// Position of its socket: the source's own, or one for this target alone.
    let socket: Int

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
    var isYoung = false

    init(source: Int, target: Int, code: ProbeProtocolCode, socket: Int? = nil) {
        self.socket = socket ?? source
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
        // A train that the deadline cut short says nothing of the packets that were never sent.
        let wanted = code == .tcp ? 1 : count
        guard sent > 0, wanted == 1 || Int(sent) >= wanted else { return .notMeasured(error: 0) }
        guard answered > 0 else { return .timeout(error: 0) }
        guard wanted > 1, answered < sent else { return .open }
        let lost = Int(sent - answered) * 100 / Int(sent)
        return .loss(percent: UInt8(min(99, max(1, lost))))
    }
}

/// Which cell sent each echo of a source, by the ICMP sequence number: an ICMP message about an echo need not quote
/// more.
///
/// Sequence numbers start over after 65,536 echoes; a number stands for the cell that used it last.
struct EchoSequences {
    private var cells: [Int32] = []
    private var next: UInt16 = 0

    /// The sequence number of a cell's next echo.
    mutating func take(_ cell: Int) -> UInt16 {
        let sequence = next
        next &+= 1
        if Int(sequence) < cells.count {
            cells[Int(sequence)] = Int32(truncatingIfNeeded: cell)
        } else {
            cells.append(Int32(truncatingIfNeeded: cell))
        }
        return sequence
    }

    /// nil for a number that was never used.
    func cell(of sequence: UInt16) -> Int? { Int(sequence) < cells.count ? Int(cells[Int(sequence)]) : nil }
}
