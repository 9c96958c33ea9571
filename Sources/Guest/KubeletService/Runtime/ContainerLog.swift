import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// What one run of a container has written, as lines with times, the oldest forgotten when there are too many. A
/// terminal's and an attached client's bytes are passed on as they come.
public final class ContainerLog: Sendable {
    public enum Source: Sendable, Hashable { case output, error }

    public struct Line: Sendable, Hashable {
        /// Nanoseconds since 1970.
        public let time: Int64
        public let source: Source
        /// The bytes without the line feed.
        public let bytes: [UInt8]
        /// Whether a line feed ended it. The last line of a program may have none, nor has a part of a very long line.
        public let isWhole: Bool
    }

    /// Lines from a place on, and what comes after them.
    public struct Reading: Sendable {
        public let lines: [Line]
        /// The place to read on from.
        public let next: Int
        /// Whether nothing will come any more.
        public let hasEnded: Bool
    }

    /// The most bytes of a line. A longer one is cut, as container runtimes do.
    public static let lineLimit = 16 << 10
    /// The most bytes that are kept, each line counted with 64 more.
    public static let limit = 1 << 20
    private static let lineCost = 64

    private struct State {
        var lines: [Line] = []
        /// How many lines were forgotten.
        var forgotten = 0
        var size = 0
        var partial: [Source: [UInt8]] = [:]
        var hasEnded = false
        var subscribers: [Int: AsyncStream<Void>.Continuation] = [:]
        var taps: [Int: @Sendable (Source, ArraySlice<UInt8>) -> Void] = [:]
        var tapEnds: [Int: @Sendable () -> Void] = [:]
        var nextSubscriber = 0
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> Int64

    public init(now: @escaping @Sendable () -> Int64 = WallClock.nanoseconds) { self.now = now }

    /// Takes what the container has written.
    public func append(_ source: Source, _ bytes: ArraySlice<UInt8>) {
        guard !bytes.isEmpty else { return }
        let time = now()
        let (continuations, taps) = state.withLock { state in
            var partial = state.partial[source] ?? []
            for byte in bytes {
                if byte == 10 {
                    add(Line(time: time, source: source, bytes: partial, isWhole: true), &state)
                    partial = []
                } else {
                    partial.append(byte)
                    if partial.count >= Self.lineLimit {
                        add(Line(time: time, source: source, bytes: partial, isWhole: false), &state)
                        partial = []
                    }
                }
            }
            state.partial[source] = partial
            return (Array(state.subscribers.values), Array(state.taps.values))
        }
        for continuation in continuations { continuation.yield() }
        for tap in taps { tap(source, bytes) }
    }

    /// Says that nothing more will come.
    public func end() {
        let time = now()
        let (continuations, ends) = state.withLock { state in
            for (source, partial) in state.partial where !partial.isEmpty {
                add(Line(time: time, source: source, bytes: partial, isWhole: false), &state)
            }
            state.partial = [:]
            state.hasEnded = true
            defer {
                state.subscribers = [:]
                state.taps = [:]
                state.tapEnds = [:]
            }
            return (Array(state.subscribers.values), Array(state.tapEnds.values))
        }
        for continuation in continuations {
            continuation.yield()
            continuation.finish()
        }
        for end in ends { end() }
    }

    private func add(_ line: Line, _ state: inout State) {
        state.lines.append(line)
        state.size += line.bytes.count + Self.lineCost
        guard state.size > Self.limit else { return }
        var count = 0
        while state.size > Self.limit * 3 / 4, count < state.lines.count {
            state.size -= state.lines[count].bytes.count + Self.lineCost
            count += 1
        }
        state.lines.removeFirst(count)
        state.forgotten += count
    }

    /// The lines from a place on; from the beginning for 0.
    public func read(from place: Int = 0) -> Reading {
        state.withLock { state in
            let first = max(place, state.forgotten)
            return Reading(
                lines: Array(state.lines.dropFirst(first - state.forgotten)),
                next: state.forgotten + state.lines.count, hasEnded: state.hasEnded)
        }
    }

    /// Ticks whenever there is more to read, and ends after the log has.
    public func changes() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state -> Int? in
            guard !state.hasEnded else { return nil }
            state.nextSubscriber += 1
            state.subscribers[state.nextSubscriber] = continuation
            return state.nextSubscriber
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.subscribers.removeValue(forKey: number) }
        }
        return stream
    }

    /// Passes everything on that is written from now on.
    /// - Returns: a number for `untap`, or nil when the log has ended.
    public func tap(
        _ received: @escaping @Sendable (Source, ArraySlice<UInt8>) -> Void, ended: @escaping @Sendable () -> Void
    ) -> Int? {
        state.withLock { state in
            guard !state.hasEnded else { return nil }
            state.nextSubscriber += 1
            state.taps[state.nextSubscriber] = received
            state.tapEnds[state.nextSubscriber] = ended
            return state.nextSubscriber
        }
    }

    public func untap(_ number: Int) {
        state.withLock { state in
            state.taps[number] = nil
            state.tapEnds[number] = nil
        }
    }

    /// The last whole lines, at most `bytes` bytes of them, for a termination message.
    public func tail(bytes limit: Int, lines count: Int) -> String {
        var taken: [[UInt8]] = []
        var size = 0
        for line in read().lines.reversed() {
            guard taken.count < count, size + line.bytes.count + 1 <= limit else { break }
            size += line.bytes.count + 1
            taken.append(line.bytes + [10])
        }
        return String(decoding: taken.reversed().joined(), as: UTF8.self)
    }
}

/// The node's wall clock.
public enum WallClock {
    /// Nanoseconds since 1970.
    public static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
