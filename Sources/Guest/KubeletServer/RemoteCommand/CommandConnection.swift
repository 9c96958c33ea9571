import NIOCore

/// A client's connection of `exec` or `attach`, whichever way its streams travel.
struct CommandConnection: Sendable {
    var streams: RemoteStreams
    /// Where the end of the command is told.
    var status: RemoteOutput
    var hasStatusObject: Bool
    /// Ends the connection.
    var end: @Sendable () async -> Void

    /// Runs the command and tells its end: outputs end first, as clients wait for that before they read the status.
    func run(_ command: (RemoteStreams) async throws -> Int32, failing words: String) async {
        let end: CommandEnd
        do { end = CommandEnd(status: try await command(streams)) } catch { end = .failure("\(words): \(error)") }
        streams.input?.queue.abandon()
        await streams.output?.finish()
        await streams.errors?.finish()
        let bytes = hasStatusObject ? end.object : end.text
        if !bytes.isEmpty { try? await status.write(bytes) }
        await status.finish()
        await self.end()
    }

    /// The sizes that a stream tells, the newest only.
    static func sizes(_ queue: ByteQueue?) -> AsyncStream<TerminalSize> {
        let (sizes, continuation) = AsyncStream.makeStream(
            of: TerminalSize.self, bufferingPolicy: .bufferingNewest(1))
        guard let queue else {
            continuation.finish()
            return sizes
        }
        let task = Task {
            var reader = TerminalSizeReader()
            while let bytes = await queue.next() { for size in reader.read(bytes) { continuation.yield(size) } }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return sizes
    }
}

// MARK: SPDY

extension CommandConnection {
    /// Waits until the client has opened the streams that it asked for, at most for the time.
    ///
    /// - Returns: nil if it did not, or opened others.
    init?(
        _ session: SPDYSession, _ options: CommandOptions, _ version: CommandProtocol, within time: Duration,
        end: @escaping @Sendable () async -> Void
    ) async {
        var wanted: Set = ["error"]
        if options.hasInput { wanted.insert("stdin") }
        if options.hasOutput { wanted.insert("stdout") }
        if options.hasErrors { wanted.insert("stderr") }
        if options.isTerminal, version.hasSizes { wanted.insert("resize") }
        let missing = wanted
        let found = await withTaskGroup(of: [String: SPDYStream]?.self) { group in
            group.addTask {
                var found: [String: SPDYStream] = [:]
                for await stream in session.opened {
                    guard let type = stream.headers["streamType"], missing.contains(type), found[type] == nil else {
                        return nil
                    }
                    found[type] = stream
                    if found.count == missing.count { return found }
                }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: time)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        guard let found, let status = found["error"] else { return nil }
        self.init(
            streams: RemoteStreams(
                input: found["stdin"].map { RemoteInput($0.input) }, output: found["stdout"]?.output,
                errors: found["stderr"]?.output, sizes: Self.sizes(found["resize"]?.input),
                isTerminal: options.isTerminal),
            status: status.output, hasStatusObject: version.hasStatusObject, end: end)
    }
}

// MARK: WebSocket

extension CommandConnection {
    private enum Channel {
        static let input: UInt8 = 0
        static let output: UInt8 = 1
        static let errors: UInt8 = 2
        static let status: UInt8 = 3
        static let sizes: UInt8 = 4
    }

    /// The channels that a client may write to.
    static func webSocketInputs(_ options: CommandOptions) -> [UInt8] {
        (options.hasInput ? [Channel.input] : []) + (options.isTerminal ? [Channel.sizes] : [])
    }

    init(
        _ session: WebSocketSession, _ options: CommandOptions, _ format: ChannelProtocol,
        end: @escaping @Sendable () async -> Void
    ) async {
        let output = options.hasOutput ? session.output(Channel.output) : nil
        let errors = options.hasErrors ? session.output(Channel.errors) : nil
        let status = session.output(Channel.status)
        self.init(
            streams: RemoteStreams(
                input: session.input(Channel.input).map { RemoteInput($0) }, output: output, errors: errors,
                sizes: Self.sizes(session.input(Channel.sizes)), isTerminal: options.isTerminal),
            status: status, hasStatusObject: format.hasStatusObject, end: end)
        // An empty message tells the client that the streams are there (k8s.io/apiserver's wsstream users do so).
        try? await (output ?? errors ?? status).write([])
    }
}
