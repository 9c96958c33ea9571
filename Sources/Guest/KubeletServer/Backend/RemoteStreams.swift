/// Columns and rows of a client's terminal.
public struct TerminalSize: Sendable, Hashable {
    public var columns: UInt16
    public var rows: UInt16

    public init(columns: UInt16, rows: UInt16) {
        self.columns = columns
        self.rows = rows
    }
}

/// What a client sends, in pieces of any size. It ends with the client's half of the stream. One task reads it.
public struct RemoteInput: AsyncSequence, Sendable {
    let queue: ByteQueue

    /// An input for tests and for requests without a client: the bytes, then the end.
    public init(_ bytes: [UInt8]) {
        queue = ByteQueue(limit: Swift.max(1, bytes.count))
        queue.push(bytes)
        queue.finish()
    }

    /// An input without a client, and what feeds it.
    public static func typed() -> (
        input: RemoteInput, ends: (type: @Sendable ([UInt8]) -> Void, end: @Sendable () -> Void)
    ) {
        let queue = ByteQueue(limit: .max)
        return (RemoteInput(queue), ({ queue.push($0) }, { queue.finish() }))
    }

    init(_ queue: ByteQueue) { self.queue = queue }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let queue: ByteQueue

        /// Returns at least one byte, or nil at the end and when the reading task is cancelled.
        public func next() async -> [UInt8]? { await queue.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(queue: queue) }
}

/// What is sent to a client. A write returns when the connection has taken the bytes, so a slow client slows its
/// writer.
public struct RemoteOutput: Sendable {
    private let writing: @Sendable ([UInt8]) async throws -> Void
    private let ending: @Sendable () async -> Void

    public init(
        writing: @escaping @Sendable ([UInt8]) async throws -> Void, ending: @escaping @Sendable () async -> Void = {}
    ) {
        self.writing = writing
        self.ending = ending
    }

    /// - Throws: `ConnectionEnded`, or the error that ended the connection.
    public func write(_ bytes: [UInt8]) async throws { try await writing(bytes) }

    /// Nothing follows. The server ends what is still open when the call of the backend has returned.
    public func finish() async { await ending() }
}

/// A write to a stream or a connection that is over.
public struct ConnectionEnded: Error, CustomStringConvertible {
    public init() {}
    public var description: String { "the client's connection has ended" }
}

/// The streams of `exec` and `attach`: nil where the client did not ask for one.
public struct RemoteStreams: Sendable {
    public var input: RemoteInput?
    public var output: RemoteOutput?
    /// Always nil for a terminal.
    public var errors: RemoteOutput?
    /// Sizes of the client's terminal, from the first one on; the newest only, if several came before they were read.
    public var sizes: AsyncStream<TerminalSize>
    public var isTerminal: Bool

    public init(
        input: RemoteInput? = nil, output: RemoteOutput? = nil, errors: RemoteOutput? = nil,
        sizes: AsyncStream<TerminalSize> = AsyncStream { $0.finish() }, isTerminal: Bool = false
    ) {
        self.input = input
        self.output = output
        self.errors = errors
        self.sizes = sizes
        self.isTerminal = isTerminal
    }
}
