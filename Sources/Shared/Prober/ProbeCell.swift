import NodeProtocol

/// One source, target and protocol while it is measured. Times are in microseconds since the plan's start.
struct ProbeCell {
    /// The positions in the plan's sources and targets. They are not the `index` that a source or target has there.
    let source: Int
    let target: Int
    let code: ProbeProtocolCode
    /// The position of the cell's socket, which is the source's or one for this target alone.
    let socket: Int

    var outcome: ProbeOutcome?
    /// The TCP connection's descriptor, or -1 without one.
    var descriptor: Int32 = -1
    var isConnected = false
    var firstSent: Int64 = 0
    var lastSent: Int64 = 0
    var sent: UInt16 = 0
    var answered: UInt16 = 0
    /// One bit for each sequence number of a train that was answered.
    var answeredSequences: [UInt64] = []
    var roundTrip: UInt32 = .max
    var localPort: UInt16 = 0
    var seen: SeenAddress?
    /// Whether the cell's first packet counts among those that may still be answered promptly (see `ProbeRun.window`).
    var isYoung = false

    init(source: Int, target: Int, code: ProbeProtocolCode, socket: Int? = nil) {
        self.socket = socket ?? source
        self.source = source
        self.target = target
        self.code = code
    }

    /// Notes the answer to one packet.
    ///
    /// - Returns: False if that packet was answered already.
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

    /// The cell's outcome when the plan ends.
    ///
    /// - Parameter count: How many packets the plan sends to each target.
    func finalOutcome(count: Int) -> ProbeOutcome {
        if let outcome { return outcome }
        // A train that the deadline cut short says nothing about the packets that were never sent.
        let wanted = code == .tcp ? 1 : count
        guard sent > 0, wanted == 1 || Int(sent) >= wanted else { return .notMeasured(error: 0) }
        guard answered > 0 else { return .timeout(error: 0) }
        guard wanted > 1, answered < sent else { return .open }
        let lost = Int(sent - answered) * 100 / Int(sent)
        return .loss(percent: UInt8(min(99, max(1, lost))))
    }
}

/// Which cell of a source sent each ICMP echo, by the echo's sequence number.
///
/// An ICMP error need not quote more of the echo than that number. Sequence numbers start over after 65,536 echoes, and
/// then a number stands for the cell that used it last.
struct EchoSequences {
    private var cells: [Int32] = []
    private var next: UInt16 = 0

    /// Returns the sequence number for a cell's next echo.
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

    /// The cell that used a number last. Nil for a number that was never used.
    func cell(of sequence: UInt16) -> Int? { Int(sequence) < cells.count ? Int(cells[Int(sequence)]) : nil }
}
