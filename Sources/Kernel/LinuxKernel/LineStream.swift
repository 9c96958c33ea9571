/// Reads a blocking descriptor on a thread of its own and yields its lines, without the line feed. A last line without
/// one is yielded, too. `owner` closes the descriptor, and is kept alive until the end of the file.
func lineStream(
    _ name: String, of descriptor: Int32, keeping owner: (any Sendable)? = nil
) -> AsyncStream<[UInt8]> {
    let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
    startThread(name) {
        var lines = LineSplitter()
        while let chunk = try? readBytes(from: descriptor, upTo: 65_536), !chunk.isEmpty {
            for line in lines.append(chunk) { continuation.yield(line) }
        }
        if let rest = lines.finish() { continuation.yield(rest) }
        continuation.finish()
        withExtendedLifetime(owner) {}
    }
    return stream
}

/// Splits a byte stream into lines.
struct LineSplitter {
    private var pending: [UInt8] = []

    mutating func append(_ chunk: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = chunk.startIndex
        while let end = chunk[start...].firstIndex(of: 0x0A) {
            lines.append(pending + chunk[start..<end])
            pending = []
            start = end + 1
        }
        pending += chunk[start...]
        return lines
    }

    mutating func finish() -> [UInt8]? {
        defer { pending = [] }
        return pending.isEmpty ? nil : pending
    }
}
