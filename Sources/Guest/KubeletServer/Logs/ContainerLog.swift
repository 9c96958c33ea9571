import Synchronization

/// What one instance of a container wrote, in memory: the newest `limit` bytes. The runtime appends; requests read and
/// follow.
///
/// Bytes become records as containerd's do: a record is a line, or a part of one of 16 KiB, or what was written without
/// a line's end before the stream ended. A program's prompt thus is no record until its line ends; `chunks()` has it at
/// once.
public final class ContainerLog: Sendable {
    public enum Stream: Sendable, Hashable { case output, errors }

    public struct Record: Sendable, Hashable {
        public var time: LogTime
        public var stream: Stream
        /// The line, with its newline if it has ended.
        public var bytes: [UInt8]
        /// Whether the line goes on in the stream's next record, or was never ended.
        public var isPartial: Bool { bytes.last != UInt8(ascii: "\n") }
    }

    private struct State {
        var records: [Record] = []
        /// Records before this index are dropped from `records` when half of it is unused.
        var start = 0
        /// The number of the first record that is held. Numbers go up by one and are never used again.
        var first = 0
        var size = 0
        var open: [Stream: [UInt8]] = [:]
        var isFinished = false
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var listeners: [Int: AsyncStream<(stream: Stream, bytes: [UInt8])>.Continuation] = [:]
        var nextKey = 0

        var end: Int { first + records.count - start }
    }

    private static let recordLimit = 16_384
    private static let recordCost = 64

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: Bytes to hold, a record's own cost counted in.
    public init(limit: Int = 1 << 20) { self.limit = limit }

    /// Adds what the container wrote.
    public func append(_ bytes: some Sequence<UInt8>, to stream: Stream, at time: LogTime) {
        let bytes = Array(bytes)
        guard !bytes.isEmpty else { return }
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard !state.isFinished else { return [] }
            for (key, listener) in state.listeners {
                // A listener that is far behind would be told of a stream with a hole in it, so it is told no more.
                if case .dropped = listener.yield((stream, bytes)) {
                    listener.finish()
                    state.listeners[key] = nil
                }
            }
            let before = state.end
            var open = state.open[stream] ?? []
            var rest = bytes[...]
            while !rest.isEmpty {
                let room = rest.prefix(Self.recordLimit - open.count)
                let lineEnd = room.firstIndex(of: UInt8(ascii: "\n"))
                let piece = lineEnd.map { rest[rest.startIndex...$0] } ?? room
                open += piece
                rest = rest[piece.endIndex...]
                if lineEnd != nil || open.count >= Self.recordLimit {
                    add(Record(time: time, stream: stream, bytes: open), to: &state)
                    open = []
                }
            }
            state.open[stream] = open
            return state.end > before ? Self.takeWaiting(&state) : []
        }
        for reader in waiting { reader.resume() }
    }

    /// The instance has ended and everything that it wrote was appended.
    public func finish(at time: LogTime) {
        let (waiting, listeners) = state.withLock { state in
            for stream in [Stream.output, .errors] {
                guard let open = state.open[stream], !open.isEmpty, !state.isFinished else { continue }
                add(Record(time: time, stream: stream, bytes: open), to: &state)
            }
            state.open = [:]
            state.isFinished = true
            defer { state.listeners = [:] }
            return (Self.takeWaiting(&state), state.listeners)
        }
        for reader in waiting { reader.resume() }
        for listener in listeners.values { listener.finish() }
    }

    /// The last bytes that were written, at most `count`, as the termination message's fallback wants them.
    public func tail(bytes count: Int) -> [UInt8] {
        state.withLock { state in
            let open = (state.open[.output] ?? []) + (state.open[.errors] ?? [])
            var parts: [[UInt8]] = [open]
            var size = open.count
            for record in state.records[state.start...].reversed() where size < count {
                parts.append(record.bytes)
                size += record.bytes.count
            }
            return Array(parts.reversed().joined().suffix(count))
        }
    }

    /// Everything that is written from now on, at once and in the pieces in which it was written, until the instance
    /// ends. It ends early for a listener that lets 1,024 pieces wait.
    public func chunks() -> AsyncStream<(stream: Stream, bytes: [UInt8])> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: (stream: Stream, bytes: [UInt8]).self, bufferingPolicy: .bufferingOldest(1024))
        let key = state.withLock { state -> Int? in
            guard !state.isFinished else { return nil }
            state.nextKey += 1
            state.listeners[state.nextKey] = continuation
            return state.nextKey
        }
        guard let key else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            // On another task: it may be called with the lock held.
            Task { self?.state.withLock { $0.listeners[key] = nil } }
        }
        return stream
    }

    // MARK: Reading

    struct Portion {
        var records: [Record]
        /// The number of the record after them.
        var next: Int
        /// No record will follow them.
        var isLast: Bool
    }

    /// The numbers of the records that are held.
    var held: Range<Int> { state.withLock { $0.first..<$0.end } }

    /// Returns records from a number on, at most `bytes` of them but at least one, if there is one. What was dropped
    /// meanwhile is left out.
    func records(from number: Int, bytes: Int) -> Portion {
        state.withLock { state in
            let from = max(number, state.first)
            let start = min(state.start + from - state.first, state.records.count)
            var stop = start
            var size = 0
            while stop < state.records.count, size < bytes {
                size += state.records[stop].bytes.count
                stop += 1
            }
            return Portion(
                records: Array(state.records[start..<stop]), next: max(number, from + stop - start),
                isLast: state.isFinished && stop == state.records.count)
        }
    }

    /// Waits until there is a record of this number, the log is finished, or the task is cancelled.
    func waitForRecord(_ number: Int) async {
        let key = state.withLock { state in
            state.nextKey += 1
            return state.nextKey
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    if state.end > number || state.isFinished || Task.isCancelled { return true }
                    state.waiting[key] = continuation
                    return false
                }
                if isThere { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: key) }?.resume()
        }
    }

    private static func takeWaiting(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        defer { state.waiting = [:] }
        return Array(state.waiting.values)
    }

    private func add(_ record: Record, to state: inout State) {
        state.records.append(record)
        state.size += record.bytes.count + Self.recordCost
        while state.size > limit, state.start < state.records.count - 1 {
            state.size -= state.records[state.start].bytes.count + Self.recordCost
            state.records[state.start].bytes = []
            state.start += 1
            state.first += 1
        }
        if state.start > 64, state.start * 2 > state.records.count {
            state.records.removeFirst(state.start)
            state.start = 0
        }
    }
}
