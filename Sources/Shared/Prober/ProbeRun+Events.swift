import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol

extension ProbeOutcome {
    /// The outcome of a send(2) or connect(2) that the sender's own kernel refused with this `errno`.
    init(sendError code: Int32) {
        switch code {
        case ENETUNREACH: self = .unreachable(code: 0)
        case EHOSTUNREACH: self = .unreachable(code: 1)
        case EACCES: self = .unreachable(code: 13)  // A route of type `prohibit` refused it.
        case ECONNREFUSED: self = .refused
        case ECONNRESET: self = .reset
        case ETIMEDOUT: self = .timeout(error: 0)
        case EPERM: self = .timeout(error: UInt16(EPERM))  // A rule of this kernel dropped it on its way out.
        default: self = .notMeasured(error: UInt16(truncatingIfNeeded: code))
        }
    }

    /// The outcome that an ICMP message about a packet tells. Nil for messages that tell none, such as "time exceeded".
    init?(_ error: node_queued_error, target: node_endpoint, code: ProbeProtocolCode) {
        guard error.origin == 2, error.type == 3 else { return nil }
        // "Port unreachable" from the target itself means that nobody listens. From anybody else it is a filter's
        // answer.
        let isRefusal = code == .udp && error.icmp_code == 3 && error.offender == target.address
        self = isRefusal ? .refused : .unreachable(code: error.icmp_code)
    }
}

extension ProbeRun {
    func handle(_ event: inout epoll_event) {
        guard let tag = ProbeTag(rawValue: node_epoll_tag(&event)) else { return }
        let isError = event.events & EPOLLERR.rawValue != 0
        switch tag.kind {
        case .connection: handleConnection(tag.index, event.events)
        case .datagrams:
            if isError { drainErrors(tag.index) }
            receiveDatagrams(tag.index)
        case .echoes:
            if isError { drainErrors(tag.index) }
            receiveEchoes(tag.index)
        }
    }

    // MARK: TCP

    /// Opens a connection in the namespace that the thread is in.
    func connect(_ index: Int, _ target: node_endpoint) {
        guard openConnections < connectionBudget else { return deferCell(index) }
        let descriptor = node_tcp_client()
        guard descriptor >= 0 else {
            let code = errno
            if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) { return deferCell(index) }
            return finish(index, .notMeasured(error: UInt16(truncatingIfNeeded: code)))
        }
        openConnections += 1
        cells[index].descriptor = descriptor
        cells[index].firstSent = now
        cells[index].sent = 1
        if node_tcp_connect(descriptor, target) != 0, errno != EINPROGRESS {
            return finish(index, ProbeOutcome(sendError: errno))
        }
        cells[index].localPort = UInt16(truncatingIfNeeded: node_local_port(descriptor))
        let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLET.rawValue
        let tag = ProbeTag(kind: .connection, index: index).rawValue
        if node_epoll_add(epoll.rawValue, descriptor, interest, tag) != 0 {
            finish(index, .notMeasured(error: UInt16(truncatingIfNeeded: errno)))
        }
    }

    private func handleConnection(_ index: Int, _ events: UInt32) {
        let cell = cells[index]
        guard cell.outcome == nil, cell.descriptor >= 0 else { return }
        let failure = node_socket_error(cell.descriptor)
        if failure != 0 { return finish(index, connectionFailure(cell, failure)) }
        if !cell.isConnected {
            guard events & EPOLLOUT.rawValue != 0 else { return }
            cells[index].isConnected = true
            if plan.targets[cell.target].isForeign == true { return noteConnection(index) }
            var packet = makePacket(index, cell.firstSent)
            packet.sequence = 0
            let sent = node_tcp_request(cell.descriptor, &packet, node_probe_packet.length)
            if sent != node_probe_packet.length { return finish(index, .reset) }
        }
        if events & (EPOLLIN.rawValue | EPOLLHUP.rawValue) != 0 { receiveAnswer(index) }
    }

    /// A server that answers no probes has accepted the connection, or its kernel has.
    private func noteConnection(_ index: Int) {
        cells[index].answered = 1
        cells[index].roundTrip = UInt32(truncatingIfNeeded: max(0, now - cells[index].firstSent))
        finish(index, .open)
    }

    private func connectionFailure(_ cell: ProbeCell, _ code: Int32) -> ProbeOutcome {
        if cell.isConnected { return code == ETIMEDOUT ? .timeout(error: 0) : .reset }
        var error = node_queued_error()
        let target = targets[cell.target] ?? node_endpoint()
        while node_next_error(cell.descriptor, &error) != 0 {
            if let outcome = ProbeOutcome(error, target: target, code: .tcp) { return outcome }
        }
        return ProbeOutcome(sendError: code)
    }

    private func receiveAnswer(_ index: Int) {
        let cell = cells[index]
        var packet = node_probe_packet()
        // The answer may come in pieces, so it is only peeked at until it is whole.
        let count = recv(cell.descriptor, &packet, node_probe_packet.length, Int32(MSG_PEEK))
        if count < 0 { return errno == EAGAIN ? () : finish(index, .reset) }
        if count == 0 { return finish(index, .reset) }
        guard count == node_probe_packet.length else { return }
        guard isAnswer(packet, index, .tcp) else { return finish(index, .reset) }
        noteAnswer(index, packet, seen: packet.seen)
    }

    // MARK: UDP and ICMP

    private func isAnswer(_ packet: node_probe_packet, _ index: Int, _ code: ProbeProtocolCode) -> Bool {
        guard cells.indices.contains(index) else { return false }
        let cell = cells[index]
        return packet.magic == NODE_PROBE_MAGIC && packet.plan == plan.id && cell.code == code
            && packet.protocol == code.rawValue && (packet.answer == 1 || code == .icmp)
            && packet.source == UInt32(truncatingIfNeeded: plan.sources[cell.source].index)
            && packet.target == UInt32(truncatingIfNeeded: plan.targets[cell.target].index)
    }

    private func receiveDatagrams(_ position: Int) {
        guard let socket = sockets[position] else { return }
        receivePackets(socket.datagrams) { bytes, from in
            guard let packet = node_probe_packet(bytes), isAnswer(packet, Int(packet.cell), .udp),
                cells[Int(packet.cell)].socket == position,
                // A client with a connected socket would not take an answer from elsewhere either.
                let target = targets[cells[Int(packet.cell)].target], target == from
            else { return }
            noteAnswer(Int(packet.cell), packet, seen: packet.seen)
        }
    }

    private func receiveEchoes(_ source: Int) {
        guard let socket = sockets[source] else { return }
        receivePackets(socket.echoes) { bytes, from in
            guard let echo = EchoMessage(bytes), echo.type == 0, echo.identifier == socket.echoIdentifier,
                isAnswer(echo.packet, Int(echo.packet.cell), .icmp), cells[Int(echo.packet.cell)].source == source,
                let target = targets[cells[Int(echo.packet.cell)].target], target.address == from.address
            else { return }
            noteAnswer(Int(echo.packet.cell), echo.packet, seen: nil)
        }
    }

    /// Takes the ICMP messages about a socket's packets out of its error queue.
    func drainErrors(_ position: Int) {
        guard let socket = sockets[position] else { return }
        var error = node_queued_error()
        if socket.datagrams >= 0 {
            while node_next_error(socket.datagrams, &error) != 0 {
                let packet = withUnsafeBytes(of: &error.payload) { node_probe_packet($0) }
                guard let packet, error.payload_length >= node_probe_packet.length else { continue }
                noteError(Int(packet.cell), error, .udp, position)
            }
        }
        guard socket.echoes >= 0 else { return }
        while node_next_error(socket.echoes, &error) != 0 {
            // Every router quotes at least eight bytes of the packet (RFC 792), which are the echo's ICMP header.
            let header = error.payload
            let identifier = UInt16(header.4) << 8 | UInt16(header.5)
            let sequence = UInt16(header.6) << 8 | UInt16(header.7)
            guard error.payload_length >= 8, header.0 == 8, identifier == socket.echoIdentifier,
                // Only the sources' own sockets send echoes, so the position is that of a source.
                let cell = echoes[position].cell(of: sequence),
                // The number may have been used again since then. The destination tells whether it was.
                targets[cells[cell].target]?.address == error.destination.address
            else { continue }
            noteError(cell, error, .icmp, position)
        }
    }

    private func noteError(_ index: Int, _ error: node_queued_error, _ code: ProbeProtocolCode, _ socket: Int) {
        guard cells.indices.contains(index), cells[index].code == code, cells[index].socket == socket,
            cells[index].answered == 0, let target = targets[cells[index].target],
            let outcome = ProbeOutcome(error, target: target, code: code)
        else { return }
        finish(index, outcome)
    }
}

/// Hands over all datagrams that have come on a socket, each with its sender.
func receivePackets(_ descriptor: Int32, _ body: (UnsafeRawBufferPointer, node_endpoint) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
        var from = node_endpoint()
        var local = node_endpoint()
        while true {
            let count = node_receive(descriptor, buffer.baseAddress, buffer.count, &from, &local)
            // The read reports a pending error once too. What the error is about is in the error queue.
            if count < 0 && errno != EAGAIN && errno != EINTR { continue }
            guard count >= 0 else { return }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]), from)
        }
    }
}

extension node_probe_packet {
    /// The source address and port that the receiver saw.
    var seen: SeenAddress { SeenAddress(address: seen_address, port: seen_port) }
}

extension node_endpoint: @retroactive Equatable {
    public static func == (left: node_endpoint, right: node_endpoint) -> Bool {
        left.address == right.address && left.port == right.port
    }
}
