import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// The echo receivers of every pod and of the node itself. Their sockets are opened inside each network namespace, and
/// one thread serves them all. A receiver answers with the source address and port that it saw, and notes a sighting.
///
/// The kernel answers ICMP echoes. The receiver only notes them.
package final class Receivers: Sendable {
    private enum Socket: Sendable {
        case listener
        case datagrams
        case echoes
        case connection(Connection)
    }

    private struct Connection: Sendable {
        let peer: node_endpoint
        /// The receiver's own address in host byte order.
        let local: UInt32
        /// The beginning of a packet or request that is not whole yet.
        var partial: [UInt8] = []
        /// Answers for which the kernel has no room while the path is down. Nothing more is read until they are gone.
        var unsent: [UInt8] = []
    }

    private struct Table {
        var sockets: [Int32: (owner: PodReference?, socket: Socket)] = [:]
        var log = SightingLog()
        /// What answers requests at the ports of some owners, in place of the echo.
        var webs: [PodReference: WebReceiver] = [:]
        /// How many answers are held back.
        var heldBack = 0
    }
    /// More are answered at once.
    private static let mostHeldBack = 128

    private let epoll: Int32
    private let table = Mutex(Table())

    package init() throws(SystemError) {
        epoll = try check("epoll_create1") { node_epoll_create() }
        startThread("receivers") { self.serve() }
    }

    /// Opens a pod's receivers in its namespace.
    package func open(_ pod: PodReference, port: UInt16, in namespace: borrowing NetworkNamespace) throws {
        let sockets = try namespace.run { try Self.openSockets(port) }
        try add(sockets, owner: pod)
    }

    /// Notes the ICMP echoes that a pod's kernel answers.
    package func openEchoes(_ pod: PodReference, in namespace: borrowing NetworkNamespace) throws {
        let echoes = try namespace.run { try check("socket", "icmp") { node_icmp_socket(1) } }
        try add([(echoes, .echoes)], owner: pod)
    }

    /// Opens TCP and UDP receivers without a note of ICMP echoes.
    ///
    /// - Parameters:
    ///   - owner: A name for `close`, which need not be a pod's.
    ///   - web: What answers HTTP requests. Packets of the prober are answered all the same.
    package func openPorts(
        _ ports: [UInt16], owner: PodReference, in namespace: borrowing NetworkNamespace, web: WebReceiver? = nil
    ) throws {
        let sockets = try namespace.run {
            var opened: [(Int32, Socket)] = []
            do {
                for port in ports {
                    opened.append((try check("listen", "tcp \(port)") { node_tcp_listener(port, 4096) }, .listener))
                    opened.append((try check("bind", "udp \(port)") { node_udp_socket(port) }, .datagrams))
                }
            } catch {
                for (descriptor, _) in opened { Glibc.close(descriptor) }
                throw error
            }
            return opened
        }
        table.withLock { $0.webs[owner] = web }
        try add(sockets, owner: owner)
    }

    /// Opens the node's own receivers in the calling thread's namespace, and closes earlier ones.
    public func openHost(port: UInt16) throws {
        close(nil)
        try add(try Self.openSockets(port), owner: nil)
    }

    /// Closes the receivers and connections of a pod, or of the node itself.
    package func close(_ owner: PodReference?) {
        table.withLock { table in
            if let owner { table.webs[owner] = nil }
            for (descriptor, entry) in table.sockets where entry.owner == owner {
                Glibc.close(descriptor)
                table.sockets[descriptor] = nil
            }
        }
    }

    package func sightings(plan: UInt64) -> [Sighting] { table.withLock { $0.log }.sightings(plan: plan) }

    private struct Opened: Sendable {
        let listener: Int32
        let datagrams: Int32
        let echoes: Int32
    }

    private static func openSockets(_ port: UInt16) throws(SystemError) -> Opened {
        let listener = FileDescriptor(owning: try check("listen", "tcp \(port)") { node_tcp_listener(port, 4096) })
        let datagrams = FileDescriptor(owning: try check("bind", "udp \(port)") { node_udp_socket(port) })
        let echoes = try check("socket", "icmp") { node_icmp_socket(1) }
        return Opened(listener: listener.release(), datagrams: datagrams.release(), echoes: echoes)
    }

    private func add(_ opened: Opened, owner: PodReference?) throws(SystemError) {
        try add(
            [(opened.listener, .listener), (opened.datagrams, .datagrams), (opened.echoes, .echoes)], owner: owner)
    }

    private func add(_ opened: [(Int32, Socket)], owner: PodReference?) throws(SystemError) {
        table.withLock { table in
            for (descriptor, socket) in opened { table.sockets[descriptor] = (owner, socket) }
        }
        for (descriptor, _) in opened {
            try check("epoll_ctl", "receiver") {
                node_epoll_add(epoll, descriptor, EPOLLIN.rawValue, UInt64(descriptor))
            }
        }
    }

    // MARK: Thread

    private func serve() {
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        while true {
            let count = node_epoll_wait(epoll, &events, Int32(events.count), -1)
            guard count > 0 else { continue }
            table.withLock { table in
                for index in 0..<Int(count) {
                    let descriptor = Int32(truncatingIfNeeded: node_epoll_tag(&events[index]))
                    handle(descriptor, &table)
                }
            }
        }
    }

    private func handle(_ descriptor: Int32, _ table: inout Table) {
        // A socket that is not there was closed after the event was queued.
        guard let entry = table.sockets[descriptor] else { return }
        switch entry.socket {
        case .listener: accept(descriptor, entry.owner, &table)
        case .datagrams: answerDatagrams(descriptor, &table.log)
        case .echoes: noteEchoes(descriptor, &table.log)
        case .connection(var connection):
            let wasBlocked = !connection.unsent.isEmpty
            let web = entry.owner.flatMap { table.webs[$0] }
            guard answer(descriptor, &connection, web, &table) else {
                Glibc.close(descriptor)
                table.sockets[descriptor] = nil
                return
            }
            table.sockets[descriptor] = (entry.owner, .connection(connection))
            let isBlocked = !connection.unsent.isEmpty
            if isBlocked != wasBlocked {
                _ = node_epoll_modify(
                    epoll, descriptor, (isBlocked ? EPOLLOUT : EPOLLIN).rawValue, UInt64(descriptor))
            }
        }
    }

    private func accept(_ listener: Int32, _ owner: PodReference?, _ table: inout Table) {
        var peer = node_endpoint()
        while true {
            let descriptor = node_tcp_accept(listener, &peer)
            guard descriptor >= 0 else { return }
            let local = Self.localAddress(descriptor)
            table.sockets[descriptor] = (owner, .connection(Connection(peer: peer, local: local)))
            if node_epoll_add(epoll, descriptor, EPOLLIN.rawValue, UInt64(descriptor)) != 0 {
                Glibc.close(descriptor)
                table.sockets[descriptor] = nil
            }
        }
    }

    /// The connection's own address in host byte order, or 0 if the kernel does not say.
    private static func localAddress(_ descriptor: Int32) -> UInt32 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return Int32(-1) }
            return getsockname(descriptor, base, &length)
        }
        return status == 0 ? UInt32(bigEndian: address.sin_addr.s_addr) : 0
    }

    private func answerDatagrams(_ descriptor: Int32, _ log: inout SightingLog) {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            var peer = node_endpoint()
            var local = node_endpoint()
            while true {
                let count = node_receive(descriptor, buffer.baseAddress, buffer.count, &peer, &local)
                guard count >= 0 else { return }
                guard var packet = node_probe_packet(UnsafeRawBufferPointer(rebasing: buffer[..<count])) else {
                    continue
                }
                guard packet.answer == 0 else { continue }
                log.record(packet, from: peer, receiver: local.address)
                packet.answer = 1
                packet.seen_address = peer.address
                packet.seen_port = peer.port
                _ = node_answer(descriptor, &packet, node_probe_packet.length, peer, local)
            }
        }
    }

    private func noteEchoes(_ descriptor: Int32, _ log: inout SightingLog) {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            var peer = node_endpoint()
            var local = node_endpoint()
            while true {
                let count = node_receive(descriptor, buffer.baseAddress, buffer.count, &peer, &local)
                guard count >= 0 else { return }
                guard let echo = EchoMessage(UnsafeRawBufferPointer(rebasing: buffer[..<count])) else { continue }
                peer.port = echo.identifier
                log.record(echo.packet, from: peer, receiver: echo.destination)
            }
        }
    }

    /// Answers a request and ends the connection.
    ///
    /// - Returns: The bytes to keep while the request is not whole, or nil when the connection is to be closed.
    private func answerRequest(_ descriptor: Int32, _ peer: node_endpoint, _ bytes: [UInt8]) -> [UInt8]? {
        let seen = SeenAddress(address: peer.address, port: peer.port)
        guard let answer = HTTPReceiver.answer(bytes, peer: seen.description) else {
            return bytes.count < HTTPProbe.headLimit ? bytes : nil
        }
        _ = send(descriptor, answer, answer.count, Int32(MSG_NOSIGNAL))
        shutdown(descriptor, Int32(SHUT_WR))
        return nil
    }

    /// The same for a workload that looks at whole requests, and may hold its answer back.
    private func answerWhole(
        _ descriptor: Int32, _ peer: node_endpoint, _ bytes: [UInt8], _ web: WebReceiver, _ table: inout Table
    ) -> [UInt8]? {
        let seen = SeenAddress(address: peer.address, port: peer.port).description
        let answer: WebAnswer
        let octets: [UInt8]
        switch WebReceiving.read(bytes, peer: seen) {
        case .incomplete: return bytes
        case .broken(let status):
            answer = WebAnswer(status: status)
            octets = WebReceiving.bytes(answer, to: nil, peer: seen)
        case .request(let head, let request):
            answer = web(request)
            octets = WebReceiving.bytes(answer, to: head, peer: seen)
        }
        // The caller closes the connection's descriptor; what is sent later needs one of its own. Without the first
        // step the poll would go on to tell of a socket that is still open.
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }
        let holds = answer.delay > .zero && table.heldBack < Self.mostHeldBack
        guard holds || octets.count > 2048 else {
            Self.sendWhole(octets, on: copy)
            return nil
        }
        table.heldBack += 1
        let delay = holds ? min(answer.delay, WebAnswer.longestDelay) : .zero
        startThread("slow-answer") {
            // The time is what the workload was asked for; the client's end is no reason to be early.
            let until = Deadline.after(delay)
            while !until.hasPassed { poll(nil, 0, max(1, until.remainingMilliseconds)) }
            Self.sendWhole(octets, on: copy)
            self.table.withLock { $0.heldBack -= 1 }
        }
        return nil
    }

    /// Sends bytes within some seconds, and closes the descriptor.
    private static func sendWhole(_ octets: [UInt8], on descriptor: Int32) {
        defer { Glibc.close(descriptor) }
        let deadline = Deadline.after(.seconds(10))
        var sent = 0
        while sent < octets.count {
            let count = octets.withUnsafeBytes { buffer in
                Glibc.send(descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if count < 0, errno == EAGAIN {
                guard (try? waitUntilReady(descriptor, events: Int16(POLLOUT), until: deadline)) == true else { return }
            } else if count == 0 || errno != EINTR {
                return
            }
        }
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Answers whole packets, or a request. Returns false at the end of the connection.
    private func answer(
        _ descriptor: Int32, _ connection: inout Connection, _ web: WebReceiver?, _ table: inout Table
    ) -> Bool {
        guard flush(descriptor, &connection.unsent) else { return false }
        guard connection.unsent.isEmpty else { return true }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        guard count > 0 else { return false }
        var bytes = connection.partial + buffer[..<count]
        if HTTPReceiver.mayBeRequest(bytes) || HTTPReceiver.isRequest(bytes) {
            let rest =
                web.map { answerWhole(descriptor, connection.peer, bytes, $0, &table) }
                ?? answerRequest(descriptor, connection.peer, bytes)
            guard let rest else { return false }
            connection.partial = rest
            return true
        }
        let length = node_probe_packet.length
        while bytes.count >= length {
            guard var packet = bytes.withUnsafeBytes({ node_probe_packet($0) }) else { return false }
            bytes.removeFirst(length)
            table.log.record(packet, from: connection.peer, receiver: connection.local)
            packet.answer = 1
            packet.seen_address = connection.peer.address
            packet.seen_port = connection.peer.port
            withUnsafeBytes(of: packet) { connection.unsent += $0.prefix(length) }
        }
        connection.partial = bytes
        return flush(descriptor, &connection.unsent)
    }

    /// Sends as much as the kernel takes. Returns false if the connection is gone.
    private func flush(_ descriptor: Int32, _ bytes: inout [UInt8]) -> Bool {
        while !bytes.isEmpty {
            let count = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            if count < 0 && errno == EAGAIN { return true }
            if count < 0 && errno != EINTR { return false }
            bytes.removeFirst(max(0, count))
        }
        return true
    }
}

/// An ICMP echo or its answer as a raw socket gives it: the IP header, the ICMP header and the data.
struct EchoMessage {
    /// 8 for a request, 0 for an answer (RFC 792).
    let type: UInt8
    let identifier: UInt16
    let sequence: UInt16
    /// The destination in the IP header, in host byte order.
    let destination: UInt32
    let packet: node_probe_packet

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 20 else { return nil }
        let header = Int(bytes[0] & 15) * 4
        guard bytes.count >= header + 8 + node_probe_packet.length else { return nil }
        guard let packet = node_probe_packet(UnsafeRawBufferPointer(rebasing: bytes[(header + 8)...])) else {
            return nil
        }
        type = bytes[header]
        identifier = UInt16(bytes[header + 4]) << 8 | UInt16(bytes[header + 5])
        sequence = UInt16(bytes[header + 6]) << 8 | UInt16(bytes[header + 7])
        destination = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
        self.packet = packet
    }
}
