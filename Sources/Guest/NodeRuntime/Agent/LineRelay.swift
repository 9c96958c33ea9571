import LinuxKernel

/// Cuts a program's output into lines fit to be sent: capped in length, limited in rate, the last ones kept.
struct LineRelay {
    /// Bytes of a line that are passed on.
    static let lineLimit = 4096
    /// Lines a second that are passed on, on average. A burst may have twice as many.
    static let rate = 200
    static let keptLines = 50

    private var partial: [UInt8] = []
    private var partialLength = 0
    private var tokens = Double(2 * LineRelay.rate)
    private var refilled: MonotonicTime
    private var dropped = 0
    /// The last lines, whether sent or not.
    private(set) var lastLines: [String] = []

    init(now: MonotonicTime) { refilled = now }

    /// Takes output of the program and answers the lines to send now.
    mutating func receive(_ bytes: some Sequence<UInt8>, now: MonotonicTime) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == 10 {
                endLine(now, &lines)
            } else {
                partialLength += 1
                if partial.count < Self.lineLimit { partial.append(byte) }
            }
        }
        return lines
    }

    /// Answers what is left to send when the output has ended, an unfinished last line among it.
    mutating func finish(now: MonotonicTime) -> [String] {
        var lines: [String] = []
        if partialLength > 0 { endLine(now, &lines) }
        if dropped > 0 { lines.append(takeDropped()) }
        return lines
    }

    private mutating func endLine(_ now: MonotonicTime, _ lines: inout [String]) {
        var line = String(decoding: partial, as: UTF8.self)
        if partialLength > partial.count { line += "… [\(partialLength - partial.count) more bytes]" }
        partial.removeAll(keepingCapacity: true)
        partialLength = 0
        lastLines.append(line)
        if lastLines.count > Self.keptLines { lastLines.removeFirst() }
        tokens = min(Double(2 * Self.rate), tokens + now.since(refilled).seconds * Double(Self.rate))
        refilled = now
        guard tokens >= 1 else {
            dropped += 1
            return
        }
        tokens -= 1
        if dropped > 0 { lines.append(takeDropped()) }
        lines.append(line)
    }

    private mutating func takeDropped() -> String {
        defer { dropped = 0 }
        return "[\(dropped) lines dropped: more than \(Self.rate) a second]"
    }
}
