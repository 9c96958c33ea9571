import DNSWire
import LinuxKernel
import NetAddress
import Policy

#if canImport(Glibc)
    import Glibc
#endif

/// DNS over UDP: one socket that gets what pods send, whatever server they call, and one for each question under way.
/// One thread.
final class NameDatagrams: Sendable {
    private let settings: NameProxy.Settings
    private let desk: NameDesk
    private let socket: DatagramSocket
    private let wake: LinuxKernel.Pipe
    let port: UInt16

    private struct Pending {
        let socket: DatagramSocket
        let question: DNSQuestion
        let connection: ProxiedConnection
        let own: ProxiedConnection
        let deadline: Deadline
    }

    /// - Throws: `SystemError`
    init(_ settings: NameProxy.Settings, _ desk: NameDesk, port: UInt16) throws(SystemError) {
        self.settings = settings
        self.desk = desk
        wake = try LinuxKernel.Pipe()
        socket = try DatagramSocket(isTransparent: settings.fixedServer == nil)
        try socket.receiveDestinations()
        try socket.bind(IPv4Address(127, 0, 0, 1), port)
        self.port = try socket.localAddress().port
    }

    func start() { startThread("dns-proxy") { self.serve() } }

    /// Ends the thread.
    func stop() { try? wake.writeEnd.writeAll([0]) }

    private func serve() {
        var pending: [Int32: Pending] = [:]
        while true {
            var polled = [wake.readEnd.rawValue, socket.descriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            polled += pending.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            // A question that has no answer is given up within a second of its time.
            let count = poll(&polled, UInt(polled.count), pending.isEmpty ? -1 : 1000)
            if count < 0, errno != EINTR { return }
            if polled[0].revents != 0 { break }
            if count > 0 {
                for entry in polled.dropFirst(2) where entry.revents != 0 {
                    guard let question = pending[entry.fd] else { continue }
                    if finish(question) { end(pending.removeValue(forKey: entry.fd)) }
                }
            }
            for (descriptor, question) in pending where question.deadline.hasPassed {
                pending[descriptor] = nil
                end(question)
            }
            if count > 0, polled[1].revents != 0 { receive(&pending) }
        }
        for question in pending.values { end(question) }
    }

    private func receive(_ pending: inout [Int32: Pending]) {
        // No more at once than that: answers wait, too.
        for _ in 0..<64 {
            guard let datagram = try? socket.receive() else { return }
            guard let server = datagram.destination else { continue }
            let connection = ProxiedConnection(
                client: datagram.source.address, clientPort: datagram.source.port, server: server.address,
                serverPort: server.port)
            switch desk.read(datagram.bytes, connection, .udp) {
            case .ignore: break
            case .answer(let answer): reply(answer, connection)
            case .pass(let question):
                guard pending.count < settings.questionLimit,
                    let asked = try? ask(question, datagram.bytes, connection)
                else { continue }
                pending[asked.socket.descriptor] = asked
            }
        }
    }

    private func ask(_ question: DNSQuestion, _ message: [UInt8], _ connection: ProxiedConnection) throws -> Pending {
        let socket = try DatagramSocket(isTransparent: settings.fixedServer == nil)
        try socket.bind(connection.client, 0)
        let local = try socket.localAddress()
        let (address, port) = settings.fixedServer ?? (connection.server, connection.serverPort)
        let own = ProxiedConnection(client: local.address, clientPort: local.port, server: address, serverPort: port)
        try settings.own.willOpen(own, 17)
        do {
            try socket.connect(address, port)
            try socket.send(message)
        } catch {
            settings.own.hasEnded(own, 17)
            throw error
        }
        return Pending(
            socket: socket, question: question, connection: connection, own: own,
            deadline: .after(.seconds(settings.patience)))
    }

    /// Whether the question is over: answered, or the server is not there.
    private func finish(_ pending: Pending) -> Bool {
        do throws(SystemError) {
            let datagram = try pending.socket.receive()
            guard let answer = desk.answer(datagram.bytes, to: pending.question, pending.connection) else {
                return false
            }
            reply(answer, pending.connection)
            return true
        } catch {
            return error.code != EAGAIN && error.code != EINTR
        }
    }

    private func end(_ pending: Pending?) {
        guard let pending else { return }
        settings.own.hasEnded(pending.own, 17)
    }

    /// Under the address and port that the pod called.
    private func reply(_ message: [UInt8], _ connection: ProxiedConnection) {
        if settings.fixedServer != nil {
            try? socket.send(message, to: connection.client, connection.clientPort)
            return
        }
        do throws(SystemError) {
            let answering = try DatagramSocket(isTransparent: true, sharesAddress: true)
            try answering.mark(settings.mark)
            try answering.bind(connection.server, connection.serverPort)
            try answering.send(message, to: connection.client, connection.clientPort)
        } catch {
            // The pod's resolver asks again.
        }
    }
}
