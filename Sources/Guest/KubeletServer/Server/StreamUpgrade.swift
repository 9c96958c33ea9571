import NIOCore
import NIOHTTP1
import NIOWebSocket

/// What a connection does when it has been given over to streams.
enum StreamWork: Sendable {
    case exec(ExecRequest, CommandOptions)
    case attach(ContainerReference, CommandOptions)
    /// Ports come with the streams, over WebSocket with the query.
    case portForward(PodReference, ports: [UInt16])
}

/// Decides whether a request gets streams, and serves them.
struct StreamUpgrade: Sendable {
    let routes: Routes
    let group: any EventLoopGroup
    /// How long a client may take to open the streams that it asked for.
    let streamTime: Duration

    private static let versionHeader = "X-Stream-Protocol-Version"

    /// Checks a request that asks for streams.
    ///
    /// - Throws: `KubeletRefusal`, or what the backend threw.
    func work(_ head: HTTPRequestHead, from identity: PeerIdentity?, isWebSocket: Bool) async throws -> StreamWork {
        let request = try routes.request(head, from: identity)
        switch request.target {
        case .exec(let container):
            let options = try CommandOptions(request.query)
            try await routes.backend.checkRunning(container)
            guard !options.command.isEmpty else {
                throw KubeletRefusal(status: 400, message: "you must specify a command")
            }
            return .exec(ExecRequest(container: container, command: options.command), options)
        case .attach(let container):
            let options = try CommandOptions(request.query)
            try await routes.backend.checkRunning(container)
            return .attach(container, options)
        case .portForward(let pod):
            let ports = isWebSocket ? try PortForwarding.ports(request.query) : []
            try await routes.backend.checkRunning(pod)
            return .portForward(pod, ports: ports)
        default: throw KubeletRefusal(status: 400, message: "the request cannot be upgraded")
        }
    }

    // MARK: SPDY

    /// The protocol of the streams; nil for `portForward`, which has one only.
    func spdyProtocol(_ head: HTTPRequestHead, _ work: StreamWork) throws(KubeletRefusal) -> CommandProtocol? {
        let names = head.headers[canonicalForm: Self.versionHeader].map(String.init)
        let served: [String]
        switch work {
        case .portForward:
            served = [PortForwarding.protocolName]
            if names.isEmpty || names.contains(PortForwarding.protocolName) { return nil }
        case .exec, .attach:
            served = CommandProtocol.allCases.map(\.rawValue)
            if let version = CommandProtocol.chosen(by: names) { return version }
        }
        throw KubeletRefusal(
            status: 403,
            message:
                "unable to negotiate protocol: client supports \(Self.list(names)), server accepts \(Self.list(served))"
        )
    }

    private static func list(_ names: [String]) -> String { "[" + names.joined(separator: " ") + "]" }

    func spdyHeaders(_ version: CommandProtocol?) -> HTTPHeaders {
        [Self.versionHeader: version?.rawValue ?? PortForwarding.protocolName]
    }

    /// Serves a connection on which SPDY is spoken from now on.
    func serve(_ session: SPDYSession, on loop: any EventLoop, _ work: StreamWork, _ version: CommandProtocol?) async {
        let end: @Sendable () async -> Void = { try? await loop.submit { session.end() }.get() }
        switch work {
        case .portForward(let pod, _):
            await PortForwarding(pod: pod, backend: routes.backend, group: group).run(session)
            await end()
        case .exec(_, let options), .attach(_, let options):
            let connection = await CommandConnection(
                session, options, version ?? .v1, within: streamTime, end: end)
            guard let connection else { return await end() }
            await run(work, connection)
        }
    }

    // MARK: WebSocket

    func webSocketProtocol(_ head: HTTPRequestHead, _ work: StreamWork) throws(KubeletRefusal) -> ChannelProtocol {
        let names = head.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
        let served: [ChannelProtocol]
        if case .portForward = work {
            served = ChannelProtocol.portForward
        } else {
            served = ChannelProtocol.remoteCommand
        }
        guard let format = ChannelProtocol.chosen(of: served, by: names) else {
            throw KubeletRefusal(
                status: 403,
                message: "unable to negotiate protocol: client supports \(Self.list(names)), "
                    + "server accepts \(Self.list(served.map(\.name)))")
        }
        return format
    }

    /// The channels on which a client may write.
    func webSocketInputs(_ work: StreamWork) -> [UInt8] {
        switch work {
        case .exec(_, let options), .attach(_, let options): CommandConnection.webSocketInputs(options)
        case .portForward(_, let ports): ports.indices.map { UInt8(truncatingIfNeeded: $0 * 2) }
        }
    }

    func serve(_ session: WebSocketSession, on loop: any EventLoop, _ work: StreamWork, _ format: ChannelProtocol) async
    {
        let end: @Sendable () async -> Void = { try? await loop.submit { session.end() }.get() }
        switch work {
        case .portForward(let pod, let ports):
            await PortForwarding(pod: pod, backend: routes.backend, group: group).run(session, ports)
            await end()
        case .exec(_, let options), .attach(_, let options):
            await run(work, await CommandConnection(session, options, format, end: end))
        }
    }

    private func run(_ work: StreamWork, _ connection: CommandConnection) async {
        switch work {
        case .exec(let request, _):
            await connection.run(
                { try await routes.backend.exec(request, $0) }, failing: "error executing command in container")
        case .attach(let container, _):
            await connection.run(
                { streams in
                    try await routes.backend.attach(container, streams)
                    return 0
                }, failing: "error attaching to container")
        case .portForward: break
        }
    }
}
