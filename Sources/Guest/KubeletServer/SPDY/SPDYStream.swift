import NIOCore

/// A stream that the peer opened. Its methods may be called from any task.
final class SPDYStream: Sendable {
    let id: UInt32
    let headers: [SPDYHeader]
    /// What the peer sends, until its half of the stream, the stream or the connection ends.
    let input: ByteQueue
    private let loop: any EventLoop
    private let session: SPDYSession

    init(id: UInt32, headers: [SPDYHeader], input: ByteQueue, loop: any EventLoop, session: SPDYSession) {
        self.id = id
        self.headers = headers
        self.input = input
        self.loop = loop
        self.session = session
    }

    /// Returns when the connection has taken the bytes.
    ///
    /// - Throws: `ConnectionEnded`, or what ended the connection.
    func write(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = ByteBuffer(bytes: rest.prefix(SPDYSession.pieceLimit))
            rest = rest.dropFirst(SPDYSession.pieceLimit)
            try await loop.flatSubmit { [session, id] in session.send(piece, on: id) }.get()
        }
    }

    /// Ends this side's half behind what was written.
    func finish() async {
        try? await loop.submit { [session, id] in session.finish(id) }.get()
    }

    /// Ends both halves at once.
    func reset() async {
        try? await loop.submit { [session, id] in session.reset(id, SPDYReset.cancel) }.get()
    }

    var output: RemoteOutput {
        RemoteOutput(writing: { try await self.write($0) }, ending: { await self.finish() })
    }
}
