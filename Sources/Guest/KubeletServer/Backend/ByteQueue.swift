import Synchronization

/// Bytes between the thread of a connection and the task that reads them, one reader. It holds `limit` bytes and
/// whatever a single push adds: the one who pushes is told to stop, and is called when there is room again.
final class ByteQueue: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var isFinished = false
        var isAbandoned = false
        var isFull = false
        var reader: CheckedContinuation<[UInt8]?, Never>?
        var drained: (@Sendable () -> Void)?
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Says who is called, on the reader's thread, when a full queue has room again.
    func whenDrained(_ call: @escaping @Sendable () -> Void) {
        state.withLock { $0.drained = call }
    }

    /// - Returns: Whether there is room for more.
    @discardableResult
    func push(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return state.withLock { !$0.isFull } }
        let (reader, hasRoom) = state.withLock { state -> (CheckedContinuation<[UInt8]?, Never>?, Bool) in
            guard !state.isFinished, !state.isAbandoned else { return (nil, true) }
            if let reader = state.reader {
                state.reader = nil
                return (reader, true)
            }
            state.bytes += bytes
            state.isFull = state.bytes.count >= limit
            return (nil, !state.isFull)
        }
        reader?.resume(returning: bytes)
        return hasRoom
    }

    /// Ends the queue behind what it holds.
    func finish() {
        let reader = state.withLock { state in
            state.isFinished = true
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(returning: nil)
    }

    /// Nobody will read any more: what is held and what comes is thrown away.
    func abandon() {
        let (reader, drained) = state.withLock { state in
            state.isAbandoned = true
            state.bytes = []
            defer {
                state.reader = nil
                state.isFull = false
            }
            return (state.reader, state.isFull ? state.drained : nil)
        }
        reader?.resume(returning: nil)
        drained?()
    }

    /// Returns all that is held and waits if that is nothing; nil at the end, or when the task is cancelled.
    func next() async -> [UInt8]? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<[UInt8]?, Never>) in
                let (answer, drained) = state.withLock { state -> ([UInt8]??, (@Sendable () -> Void)?) in
                    if !state.bytes.isEmpty {
                        defer {
                            state.bytes = []
                            state.isFull = false
                        }
                        return (.some(state.bytes), state.isFull ? state.drained : nil)
                    }
                    if state.isFinished || state.isAbandoned || state.reader != nil { return (.some(nil), nil) }
                    state.reader = continuation
                    return (nil, nil)
                }
                if let answer { continuation.resume(returning: answer) }
                drained?()
            }
        } onCancel: {
            abandon()
        }
    }
}
