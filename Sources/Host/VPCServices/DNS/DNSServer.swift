import CNodeShim
import DNSWire
import Glibc
public import LinuxKernel
import NetAddress
import Synchronization

/// A query that came to the resolver. Its source is what a test of source translation looks at.
public struct DNSQuery: Codable, Sendable, Hashable {
    /// When the query came, in nanoseconds on the clock of `MonotonicTime.now`.
    public var time: Int64
    /// The dotted address from which the query came.
    public var source: String
    public var sourcePort: UInt16
    /// `udp` or `tcp`.
    public var transport: String
    /// The name without its last dot, or `-` for a query that could not be read.
    public var name: String
    /// The type of the records, for example 1 (A) or 28 (AAAA).
    public var type: UInt16
    /// The name of the response code, for example `NXDOMAIN`.
    public var code: String

    /// The query as a line of a log, such as `udp 10.0.0.11:40001 s3.internal type 1 NOERROR`.
    public var line: String { "\(transport) \(source):\(sourcePort) \(name) type \(type) \(code)" }
}

/// The VPC's resolver. It listens on UDP and TCP port 53 of one network namespace, and one thread serves it.
///
/// It has at most 64 TCP connections, ends each after 10 seconds without a whole query, and remembers 4,096 queries.
public final class DNSServer: Sendable {
    public static let port: UInt16 = 53
    static let mostConnections = 64
    static let queriesKept = 4096
    static let patience: Int64 = 10_000_000_000

    private struct Memory {
        var zone: DNSZone
        var queries: [DNSQuery] = []
        var forgottenUntil: Int64?
    }

    private let memory: Mutex<Memory>
    private let datagrams: Int32
    private let listener: Int32
    private let wake: LinuxKernel.Pipe

    /// Opens the sockets in the namespace and starts to serve.
    ///
    /// - Throws: `SystemError`, with `EADDRINUSE` if somebody has the port.
    public init(_ zone: DNSZone, in namespace: borrowing NetworkNamespace) throws {
        memory = Mutex(Memory(zone: zone))
        wake = try Pipe()
        (datagrams, listener) = try namespace.run { () throws -> (Int32, Int32) in
            let datagrams = try check("bind", "udp \(Self.port)") { node_udp_socket(Self.port) }
            do {
                return (datagrams, try check("listen", "tcp \(Self.port)") { node_tcp_listener(Self.port, 64) })
            } catch {
                close(datagrams)
                throw error
            }
        }
        startThread("vpc-dns") { self.serve() }
    }

    /// Ends the thread and closes the sockets.
    public func stop() { try? wake.writeEnd.writeAll([0]) }

    /// Sets the names and addresses with which queries are answered from now on.
    public func set(_ zone: DNSZone) { memory.withLock { $0.zone = zone } }

    /// Returns the queries since a moment, oldest first. The answer is incomplete if some of them were forgotten
    /// already.
    public func queries(since: MonotonicTime? = nil) -> (queries: [DNSQuery], isComplete: Bool) {
        let start = since?.nanoseconds ?? .min
        return memory.withLock { memory in
            (memory.queries.filter { $0.time >= start }, memory.forgottenUntil.map { $0 < start } ?? true)
        }
    }

    // MARK: Thread

    private struct Client {
        let descriptor: Int32
        let peer: node_endpoint
        var bytes: [UInt8] = []
        var deadline: Int64
    }

    private func serve() {
        var clients: [Client] = []
        defer {
            close(datagrams)
            close(listener)
            for client in clients { close(client.descriptor) }
        }
        while true {
            var watched = [wake.readEnd.rawValue, datagrams, clients.count < Self.mostConnections ? listener : -1]
            watched += clients.map(\.descriptor)
            var polled = watched.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, UInt(polled.count), clients.isEmpty ? -1 : 1000) >= 0 || errno == EINTR else { return }
            if polled[0].revents != 0 { return }
            if polled[1].revents != 0 { answerDatagrams() }
            let now = MonotonicTime.now.nanoseconds
            var kept: [Client] = []
            for (index, client) in clients.enumerated() {
                var client = client
                let isAlive = polled[index + 3].revents == 0 ? now < client.deadline : answer(&client, now)
                if isAlive { kept.append(client) } else { close(client.descriptor) }
            }
            clients = kept
            if polled[2].revents != 0 {
                var peer = node_endpoint()
                let descriptor = node_tcp_accept(listener, &peer)
                if descriptor >= 0 {
                    clients.append(Client(descriptor: descriptor, peer: peer, deadline: now + Self.patience))
                }
            }
        }
    }

    private func answerDatagrams() {
        withUnsafeTemporaryAllocation(byteCount: 1500, alignment: 8) { buffer in
            var peer = node_endpoint()
            var local = node_endpoint()
            // No more at once than a full queue has: others wait too.
            for _ in 0..<256 {
                let count = node_receive(datagrams, buffer.baseAddress, buffer.count, &peer, &local)
                guard count >= 0 else { return }
                guard let answer = reply(Array(buffer[..<count]), from: peer, transport: "udp", limit: 512) else {
                    continue
                }
                _ = node_answer(datagrams, answer, answer.count, peer, local)
            }
        }
    }

    /// Answers the whole queries that have come on a connection, each preceded by its length (RFC 7766).
    ///
    /// - Returns: Whether the connection goes on.
    private func answer(_ client: inout Client, _ now: Int64) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(client.descriptor, &buffer, buffer.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        guard count > 0 else { return false }
        client.bytes += buffer[..<count]
        while client.bytes.count >= 2 {
            let length = Int(client.bytes[0]) << 8 | Int(client.bytes[1])
            guard client.bytes.count >= 2 + length else { break }
            let message = Array(client.bytes[2..<2 + length])
            client.bytes.removeFirst(2 + length)
            guard let answer = reply(message, from: client.peer, transport: "tcp", limit: 65_535) else { return false }
            let framed = [UInt8(answer.count >> 8), UInt8(answer.count & 255)] + answer
            guard send(client.descriptor, framed, framed.count, Int32(MSG_NOSIGNAL)) == framed.count else {
                return false
            }
            client.deadline = now + Self.patience
        }
        // A query has a few hundred bytes. Whoever sends more than this sends no query.
        return client.bytes.count <= 4096
    }

    private func reply(_ bytes: [UInt8], from peer: node_endpoint, transport: String, limit: Int) -> [UInt8]? {
        var query = DNSQuery(
            time: MonotonicTime.now.nanoseconds, source: IPv4Address(rawValue: peer.address).description,
            sourcePort: peer.port, transport: transport, name: "-", type: 0, code: DNSCode.formatError.name)
        let answer: [UInt8]
        do throws(DNSQuestion.Mistake) {
            let question = try DNSQuestion(bytes)
            let (message, code) = memory.withLock { $0.zone }.answer(question, limit: limit)
            query.name = question.name.isEmpty ? "." : question.name
            query.type = question.type
            query.code = code.name
            answer = message
        } catch {
            guard case .malformed(let id) = error else { return nil }
            answer = DNSQuestion.malformedReply(id)
        }
        memory.withLock { memory in
            memory.queries.append(query)
            if memory.queries.count > Self.queriesKept { memory.forgottenUntil = memory.queries.removeFirst().time }
        }
        return answer
    }
}
