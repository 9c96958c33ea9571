import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// One flow: a TCP connection on which packets are echoed, or a train of UDP or ICMP echoes. Times are in microseconds
/// since the run's start.
struct StreamFlow: Sendable {
    let source: Int
    let target: Int
    let code: ProbeProtocolCode
    var descriptor: Int32 = -1
    var established = false
    var ended: String?
    var sent = 0
    /// The rest of a packet of which the kernel took only the beginning.
    var unsent: [UInt8] = []
    var answered = 0
    /// The time of the last answer. As long as there was none, it is when the flow was opened or first sent something.
    var lastAnswer: Int64 = 0
    var longestGap: Int64 = 0

    /// The longest time without an answer, in milliseconds, less the interval at which packets are sent. The time since
    /// the last answer counts too, whether or not the flow has ended.
    func gapMillis(now: Int64, interval: Int64) -> Int {
        Int(max(0, max(longestGap, now - lastAnswer) - interval) / 1000)
    }

    /// Whether the flow has not ended, and was connected (TCP) or answered at least once.
    var isEstablished: Bool { ended == nil && (code == .tcp ? established : answered > 0) }

    /// The time since the last answer in milliseconds, whether the flow has ended or not.
    func silentMillis(now: Int64) -> Int { Int(max(0, now - lastAnswer) / 1000) }

    mutating func noteAnswer(_ now: Int64) {
        answered += 1
        longestGap = max(longestGap, now - lastAnswer)
        lastAnswer = now
    }
}

/// All flows of a plan, which one thread serves until `stop`.
final class StreamRun: Sendable {
    private let plan: StreamPlan
    private let flows: Mutex<[StreamFlow]>
    private let stopped = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    private let start = MonotonicTime.now
    private static let stopTag = UInt64.max

    init(_ plan: StreamPlan) throws {
        guard plan.pairs.count == plan.sources.count, plan.intervalMillis >= 1,
            plan.pairs.allSatisfy({ $0.allSatisfy(plan.targets.indices.contains) })
        else { throw NodeFailure(code: "bad-request", message: "streams \(plan.id): pairs or interval do not fit") }
        let codes = try plan.protocols.map { name in
            guard let code = ProbeProtocolCode(name: name), ProbeProtocolCode.echoed.contains(code) else {
                throw NodeFailure(code: "bad-request", message: "unknown protocol \(name)")
            }
            return code
        }
        var all: [StreamFlow] = []
        for (source, pairs) in plan.pairs.enumerated() {
            for target in pairs {
                for code in codes where plan.targets[target].takes(code.name) {
                    all.append(StreamFlow(source: source, target: target, code: code))
                }
            }
        }
        self.plan = plan
        flows = Mutex(all)
    }

    deinit { close(stopped) }

    func stop() { eventfd_write(stopped, 1) }

    private var now: Int64 { (MonotonicTime.now.nanoseconds - start.nanoseconds) / 1000 }
    private var interval: Int64 { Int64(plan.intervalMillis) * 1000 }

    var readings: [StreamReading] {
        let time = now
        return flows.withLock { $0 }.map { flow in
            StreamReading(
                source: plan.sources[flow.source].index, target: plan.targets[flow.target].index,
                protocol: flow.code.name, established: flow.isEstablished,
                sent: flow.sent, answered: flow.answered,
                longestGapMillis: flow.gapMillis(now: time, interval: interval),
                silentMillis: flow.silentMillis(now: time), ended: flow.ended)
        }
    }

    /// Serves the flows until `stop`. The calling thread is left in some network namespace, so it must be a thread of
    /// its own.
    func run(_ namespacePath: @escaping (PodReference) -> String) {
        let epoll = node_epoll_create()
        defer { close(epoll) }
        _ = node_epoll_add(epoll, stopped, EPOLLIN.rawValue, Self.stopTag)
        var sockets: [Int: ProbeSockets] = [:]
        let targets = plan.targets.map { node_endpoint($0) }
        flows.withLock { open(&$0, targets, epoll, &sockets, NamespaceThread(path: namespacePath)) }
        defer {
            for socket in sockets.values { socket.close() }
            flows.withLock { flows in for index in flows.indices { end(&flows[index], "closed") } }
        }
        var events = [epoll_event](repeating: epoll_event(), count: 128)
        var due: Int64 = 0
        while true {
            let time = now
            if time >= due {
                flows.withLock { flows in
                    for index in flows.indices { send(index, &flows[index], targets, sockets, time) }
                }
                due = max(due + interval, now)
            }
            let wait = Int32(max(0, min(60_000, (due - now + 999) / 1000)))
            let count = node_epoll_wait(epoll, &events, Int32(events.count), wait)
            for position in 0..<max(0, Int(count)) {
                let tag = node_epoll_tag(&events[position])
                if tag == Self.stopTag { return }
                flows.withLock { receive(tag, events[position].events, &$0, targets, sockets) }
            }
        }
    }

    private func open(
        _ flows: inout [StreamFlow], _ targets: [node_endpoint?], _ epoll: Int32, _ sockets: inout [Int: ProbeSockets],
        _ namespaces: NamespaceThread
    ) {
        let names = plan.protocols
        for index in flows.indices {
            let source = flows[index].source
            do {
                try namespaces.enter(plan.sources[source].pod)
                if sockets[source] == nil {
                    let opened = try ProbeSockets(
                        withDatagrams: names.contains("udp"), withEchoes: names.contains("icmp"))
                    sockets[source] = opened
                    for (kind, descriptor) in [(ProbeTag.Kind.datagrams, opened.datagrams), (.echoes, opened.echoes)] {
                        let tag = ProbeTag(kind: kind, index: source).rawValue
                        if descriptor >= 0 { _ = node_epoll_add(epoll, descriptor, EPOLLIN.rawValue, tag) }
                    }
                }
                guard flows[index].code == .tcp, let target = targets[flows[index].target] else { continue }
                let descriptor = try check("socket", "tcp") { node_tcp_client() }
                flows[index].descriptor = descriptor
                flows[index].lastAnswer = now
                if node_tcp_connect(descriptor, target) != 0, errno != EINPROGRESS {
                    throw SystemError.last("connect", plan.targets[flows[index].target].address)
                }
                let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLET.rawValue
                let tag = ProbeTag(kind: .connection, index: index).rawValue
                try check("epoll_ctl", "stream") { node_epoll_add(epoll, descriptor, interest, tag) }
            } catch {
                end(&flows[index], "\(error)")
            }
        }
    }

    private func end(_ flow: inout StreamFlow, _ reason: String) {
        if flow.descriptor >= 0 { close(flow.descriptor) }
        flow.descriptor = -1
        if flow.ended == nil { flow.ended = reason }
    }

    // MARK: Sending

    private func send(
        _ index: Int, _ flow: inout StreamFlow, _ targets: [node_endpoint?], _ sockets: [Int: ProbeSockets],
        _ time: Int64
    ) {
        guard flow.ended == nil, let target = targets[flow.target], let socket = sockets[flow.source] else { return }
        var packet = node_probe_packet()
        packet.plan = plan.id
        packet.magic = NODE_PROBE_MAGIC
        packet.source = UInt32(truncatingIfNeeded: plan.sources[flow.source].index)
        packet.target = UInt32(truncatingIfNeeded: plan.targets[flow.target].index)
        packet.cell = UInt32(index)
        packet.sequence = UInt16(truncatingIfNeeded: flow.sent)
        packet.protocol = flow.code.rawValue
        packet.sent_micros = UInt32(truncatingIfNeeded: time)
        if flow.sent == 0 && flow.code != .tcp { flow.lastAnswer = time }
        switch flow.code {
        case .udp: _ = socket.send(&packet, datagramTo: target)
        case .dns, .http: break  // The initializer refuses plans with these.
        case .icmp: _ = socket.send(&packet, echoTo: target, sequence: packet.sequence)
        case .tcp:
            guard flow.established else { return }
            // While the path is down the socket's buffer may be full. That ends nothing: what is in it arrives later.
            let isFree = flow.unsent.isEmpty
            let bytes =
                isFree ? withUnsafeBytes(of: packet) { Array($0.prefix(node_probe_packet.length)) } : flow.unsent
            let count = Glibc.send(flow.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno != EAGAIN { end(&flow, String(cString: strerror(errno))) }
                return
            }
            flow.unsent = Array(bytes[count...])
            guard isFree else { return }
        }
        flow.sent += 1
    }

    // MARK: Receiving

    private func receive(
        _ raw: UInt64, _ events: UInt32, _ flows: inout [StreamFlow], _ targets: [node_endpoint?],
        _ sockets: [Int: ProbeSockets]
    ) {
        guard let tag = ProbeTag(rawValue: raw) else { return }
        switch tag.kind {
        case .connection: receiveStream(&flows[tag.index], events)
        case .datagrams, .echoes:
            guard let socket = sockets[tag.index] else { return }
            let isEcho = tag.kind == .echoes
            let descriptor = isEcho ? socket.echoes : socket.datagrams
            var error = node_queued_error()
            while node_next_error(descriptor, &error) != 0 {}
            receivePackets(descriptor) { bytes, from in
                let echo = isEcho ? EchoMessage(bytes) : nil
                guard let packet = isEcho ? echo?.packet : node_probe_packet(bytes), packet.plan == plan.id,
                    isEcho ? echo?.type == 0 && echo?.identifier == socket.echoIdentifier : packet.answer == 1,
                    flows.indices.contains(Int(packet.cell))
                else { return }
                let flow = flows[Int(packet.cell)]
                guard flow.source == tag.index, targets[flow.target]?.address == from.address else { return }
                flows[Int(packet.cell)].noteAnswer(now)
            }
        }
    }

    private func receiveStream(_ flow: inout StreamFlow, _ events: UInt32) {
        guard flow.descriptor >= 0 else { return }
        let failure = node_socket_error(flow.descriptor)
        if failure != 0 { return end(&flow, String(cString: strerror(failure))) }
        if !flow.established {
            guard events & EPOLLOUT.rawValue != 0 else { return }
            flow.established = true
            flow.lastAnswer = now
        }
        var packet = node_probe_packet()
        while true {
            // Only whole packets are taken. The rest of a packet comes with the next event.
            let count = recv(flow.descriptor, &packet, node_probe_packet.length, Int32(MSG_PEEK))
            if count == 0 { return end(&flow, "closed by the peer") }
            if count < 0, errno != EAGAIN { return end(&flow, String(cString: strerror(errno))) }
            guard count == node_probe_packet.length else { return }
            _ = recv(flow.descriptor, &packet, node_probe_packet.length, 0)
            flow.noteAnswer(now)
        }
    }
}
