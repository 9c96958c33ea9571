import NetAddress

/// Which client's datagrams go to which target, without sockets. A client stays with its target as long as that is
/// there and datagrams come.
struct DatagramFlows<Socket> {
    /// Where datagrams come from, and the address that they were sent to.
    struct Client: Hashable {
        var address: UInt32
        var port: UInt16
        var local: UInt32
    }

    struct Flow {
        var target: ForwardTarget
        let socket: Socket
        /// When something was last sent in either direction, in nanoseconds.
        var last: Int64
    }

    private(set) var flows: [Client: Flow] = [:]
    private var turn = 0

    /// The time without a datagram after which a flow is forgotten: 120 s, as a network load balancer's.
    static var patience: Int64 { 120_000_000_000 }
    static var mostFlows: Int { 512 }

    /// The flow of a client's datagram; nil if there is no target, or if there are too many flows.
    ///
    /// - Parameters:
    ///   - targets: The targets that may be chosen now.
    ///   - open: Opens a socket for a new flow.
    mutating func flow(
        of client: Client, targets: [ForwardTarget], now: Int64, open: () -> Socket?
    ) -> Flow? {
        if var flow = flows[client] {
            if !targets.contains(flow.target) {
                guard let other = next(targets) else { return nil }
                flow.target = other
            }
            flow.last = now
            flows[client] = flow
            return flow
        }
        guard flows.count < Self.mostFlows, let target = next(targets), let socket = open() else { return nil }
        let flow = Flow(target: target, socket: socket, last: now)
        flows[client] = flow
        return flow
    }

    /// Notes that a target has answered a client.
    mutating func answered(_ client: Client, now: Int64) { flows[client]?.last = now }

    /// Forgets the flows without datagrams for so long, and returns their sockets.
    mutating func expire(now: Int64) -> [Socket] {
        let old = flows.filter { now - $0.value.last >= Self.patience }
        for client in old.keys { flows[client] = nil }
        return old.values.map(\.socket)
    }

    private mutating func next(_ targets: [ForwardTarget]) -> ForwardTarget? {
        guard !targets.isEmpty else { return nil }
        turn = (turn + 1) & 0xFFFF
        return targets[turn % targets.count]
    }
}
