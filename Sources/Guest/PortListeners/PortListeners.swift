public import NIOCore
import NIOPosix
import Synchronization

/// TCP ports of a node that come and go, with one thread for all of them. A port that somebody else has is tried again
/// every second.
public final class PortListeners: Sendable {
    /// What happens to a port.
    public enum Notice: Sendable, Hashable {
        case opened(UInt16)
        /// The port is somebody else's, or cannot be had for another reason. It is told once.
        case failed(UInt16, String)
    }

    private struct State {
        var wanted: Set<UInt16> = []
        var channels: [UInt16: any Channel] = [:]
        /// Ports that are being opened, or are waited for.
        var opening: Set<UInt16> = []
        var failing: Set<UInt16> = []
    }

    private let host: String
    private let limit: Int
    private let told: @Sendable (Notice) -> Void
    private let install: @Sendable (any Channel, UInt16) throws -> Void
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let state = Mutex(State())
    private let open = Atomic<Int>(0)

    private static let pause = TimeAmount.seconds(1)

    /// - Parameters:
    ///   - host: The address at which it listens.
    ///   - limit: How many connections there may be. Further ones are closed at once.
    ///   - install: Makes a connection's handlers, on its event loop.
    public init(
        host: String, limit: Int, told: @escaping @Sendable (Notice) -> Void,
        install: @escaping @Sendable (any Channel, UInt16) throws -> Void
    ) {
        self.host = host
        self.limit = limit
        self.told = told
        self.install = install
    }

    /// Sets which ports are open from now on. It does not wait: a port is open a moment later.
    public func listen(at wanted: Set<UInt16>) {
        let (closed, opened) = state.withLock { state in
            state.wanted = wanted
            let closed = state.channels.filter { !wanted.contains($0.key) }
            for port in closed.keys { state.channels[port] = nil }
            let opened = wanted.filter { state.channels[$0] == nil && !state.opening.contains($0) }
            state.opening.formUnion(opened)
            state.failing.formIntersection(wanted)
            return (closed.values.map { $0 }, opened.sorted())
        }
        // All of it happens on one thread, in this order.
        for channel in closed { channel.close(promise: nil) }
        for port in opened { bind(port) }
    }

    /// The ports that are open.
    public var ports: Set<UInt16> { state.withLock { Set($0.channels.keys) } }

    /// Ends all connections.
    public func stop() { try? group.syncShutdownGracefully() }

    private func bind(_ port: UInt16) {
        let bound = ServerBootstrap(group: group)
            .serverChannelOption(ChannelOptions.backlog, value: 256)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let self, self.enter(channel) else { throw ChannelError.eof }
                    try self.install(channel, port)
                }
            }
            .bind(host: host, port: Int(port))
        bound.whenComplete { [weak self] result in self?.take(result, port) }
    }

    private func take(_ result: Result<any Channel, any Error>, _ port: UInt16) {
        switch result {
        case .success(let channel):
            let isWanted = state.withLock { state in
                state.opening.remove(port)
                state.failing.remove(port)
                guard state.wanted.contains(port) else { return false }
                state.channels[port] = channel
                return true
            }
            if isWanted { told(.opened(port)) } else { channel.close(promise: nil) }
        case .failure(let error):
            let (isWanted, isNew) = state.withLock { state in
                guard state.wanted.contains(port) else {
                    state.opening.remove(port)
                    return (false, false)
                }
                return (true, state.failing.insert(port).inserted)
            }
            guard isWanted else { return }
            if isNew { told(.failed(port, "\(error)")) }
            _ = group.next().scheduleTask(in: Self.pause) { [weak self] in self?.again(port) }
        }
    }

    /// Tries a port again, if it is still wanted.
    private func again(_ port: UInt16) {
        let isWanted = state.withLock { state in
            if !state.wanted.contains(port) { state.opening.remove(port) }
            return state.wanted.contains(port)
        }
        if isWanted { bind(port) }
    }

    private func enter(_ channel: any Channel) -> Bool {
        guard open.load(ordering: .relaxed) < limit else { return false }
        open.wrappingAdd(1, ordering: .relaxed)
        channel.closeFuture.whenComplete { [weak self] _ in self?.open.wrappingSubtract(1, ordering: .relaxed) }
        return true
    }
}
