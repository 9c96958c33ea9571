import DNSWire
import LinuxKernel
import NetAddress
import Policy
import Synchronization
import Testing

@testable import RequestProxy

#if canImport(Glibc)
    import Glibc
#endif

/// Questions and answers over real sockets of the loopback interface. A DNS server answers 9.9.9.9 to every question.
@Suite(.serialized) struct NameProxyTests {
    private final class Record: Sendable {
        private let calls = Mutex<[ProxiedConnection]>([])
        private let answers = Mutex<[NameAnswer]>([])
        var opened: [ProxiedConnection] { calls.withLock { $0 } }
        var learned: [NameAnswer] { answers.withLock { $0 } }

        func learn(_ answer: NameAnswer) { answers.withLock { $0.append(answer) } }

        var own: OwnConnections {
            OwnConnections { connection, _ in
                self.calls.withLock { $0.append(connection) }
            } hasEnded: { _, _ in
            }
        }
    }

    /// Answers on a thread until it is told to stop. `bend` changes the answers.
    private final class Server: Sendable {
        let socket: DatagramSocket
        let port: UInt16
        private let callers = Mutex<[UInt16]>([])
        var sources: [UInt16] { callers.withLock { $0 } }

        init(bend: @escaping @Sendable (inout [UInt8]) -> Void = { _ in }) throws {
            socket = try DatagramSocket(isTransparent: false)
            try socket.bind(IPv4Address(127, 0, 0, 1), 0)
            port = try socket.localAddress().port
            startThread("dns-server") { [self] in
                while (try? waitUntilReady(socket.descriptor, events: Int16(POLLIN), until: .after(.seconds(5))))
                    == true,
                    let datagram = try? socket.receive(), datagram.bytes.count > 12
                {
                    callers.withLock { $0.append(datagram.source.port) }
                    var answer = datagram.bytes
                    (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1)
                    answer += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9, 9, 9, 9]
                    bend(&answer)
                    try? socket.send(answer, to: datagram.source.address, datagram.source.port)
                }
            }
        }
    }

    private static func query(_ name: String, id: UInt8 = 7, flags: UInt8 = 1) -> [UInt8] {
        [0, id, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0]
            + name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0, 0, 1, 0, 1]
    }

    private func proxy(
        _ port: UInt16, _ record: Record, learn: @escaping NameProxy.Learner = { _ in }
    ) throws -> NameProxy {
        var settings = NameProxy.Settings(mark: 0, own: record.own)
        settings.port = 0
        settings.fixedServer = (IPv4Address(127, 0, 0, 1), port)
        return try NameProxy(settings) { name, _, _ in
            name.hasSuffix(".example.com")
        } learn: { answer in
            record.learn(answer)
            try learn(answer)
        }
    }

    private func ask(_ query: [UInt8], _ port: UInt16, patience: Duration = .seconds(3)) throws -> DNSAnswer? {
        let client = try DatagramSocket(isTransparent: false)
        try client.bind(IPv4Address(127, 0, 0, 1), 0)
        try client.send(query, to: IPv4Address(127, 0, 0, 1), port)
        guard try waitUntilReady(client.descriptor, events: Int16(POLLIN), until: .after(patience)) else { return nil }
        return DNSAnswer(try client.receive().bytes)
    }

    @Test func `an allowed name is asked for, learned and answered`() throws {
        let (server, record) = (try Server(), Record())
        let proxy = try proxy(server.port, record)
        defer { proxy.stop() }
        let answer = try #require(try ask(Self.query("Www.example.com"), proxy.port))
        #expect(answer.id == 7 && answer.code == 0 && answer.addresses.map(\.address) == [0x0909_0909])
        let learned = try #require(record.learned.first)
        #expect(learned.name == "www.example.com")
        #expect(learned.addresses == [.init(IPv4Address(9, 9, 9, 9), timeToLive: 60)])
        // The server was called from the port that had been announced.
        #expect(server.sources == record.opened.map(\.clientPort))
    }

    @Test func `another is refused, and nobody is asked`() throws {
        let (server, record) = (try Server(), Record())
        let proxy = try proxy(server.port, record)
        defer { proxy.stop() }
        let answer = try #require(try ask(Self.query("example.org"), proxy.port))
        #expect(answer.code == DNSCode.refused.rawValue && answer.question.name == "example.org")
        #expect(
            try ask(Self.query("www.example.com", flags: 0x29), proxy.port)?.code == DNSCode.notImplemented.rawValue)
        #expect(server.sources.isEmpty && record.opened.isEmpty)
    }

    @Test func `what cannot be made to hold is a failure of the server`() throws {
        struct Full: Error {}
        let (server, record) = (try Server(), Record())
        let proxy = try proxy(server.port, record) { _ in throw Full() }
        defer { proxy.stop() }
        #expect(try ask(Self.query("www.example.com"), proxy.port)?.code == DNSCode.serverFailure.rawValue)
    }

    @Test func `an answer to another question is none`() throws {
        let server = try Server { $0[1] = 8 }
        let record = Record()
        let proxy = try proxy(server.port, record)
        defer { proxy.stop() }
        #expect(try ask(Self.query("www.example.com"), proxy.port, patience: .milliseconds(300)) == nil)
        #expect(record.learned.isEmpty)
    }

    @Test func `a hundred broken questions, then a whole one`() throws {
        let (server, record) = (try Server(), Record())
        let proxy = try proxy(server.port, record)
        defer { proxy.stop() }
        let client = try DatagramSocket(isTransparent: false)
        for cut in 0..<100 {
            var bytes = Self.query("www.example.com")
            bytes[cut % bytes.count] ^= UInt8(truncatingIfNeeded: cut &* 37 | 1)
            try? client.send(Array(bytes.prefix(cut)), to: IPv4Address(127, 0, 0, 1), proxy.port)
        }
        #expect(try ask(Self.query("www.example.com"), proxy.port)?.code == 0)
    }

    @Test func `over TCP a refusal is framed, and the connection lives on`() throws {
        let (server, record) = (PlainServer(), Record())
        let port = try server.start()
        defer { server.stop() }
        let proxy = try proxy(port, record)
        defer { proxy.stop() }
        func framed(_ message: [UInt8]) -> [UInt8] { [0, UInt8(message.count)] + message }
        let bytes = framed(Self.query("example.org", id: 1)) + framed(Self.query("example.net", id: 2))
        let answer = try LoopbackClient.octets(bytes, port: proxy.port, patience: 500)
        let first = try #require(answer.first.map { _ in Int(answer[1]) })
        #expect(DNSAnswer(answer[2..<2 + first])?.code == 5)
        #expect(DNSAnswer(answer[(4 + first)...])?.id == 2)
        #expect(server.seen.isEmpty)
        // An allowed question reaches the server from a port that was announced before.
        _ = try LoopbackClient.octets(framed(Self.query("www.example.com")), port: proxy.port, patience: 500)
        #expect(server.seen.contains("www"))
        #expect(record.opened.count == 1 && record.opened.first?.clientPort != 0)
    }

    @Test func `an HTTP proxy of the client's side tells of its connection first`() throws {
        let (server, record) = (PlainServer(), Record())
        let port = try server.start()
        defer { server.stop() }
        var settings = RequestProxy.Settings(mark: 0)
        settings.port = 0
        settings.side = .client(record.own)
        settings.fixedServer = (IPv4Address(127, 0, 0, 1), port)
        let proxy = try RequestProxy(settings) { request, _ in request.method == "GET" }
        defer { proxy.stop() }
        let text = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
        #expect(try LoopbackClient.exchange(text, port: proxy.port).hasPrefix("HTTP/1.1 200"))
        let opened = try #require(record.opened.first)
        #expect(opened.server == IPv4Address(127, 0, 0, 1) && opened.serverPort == port && opened.clientPort != 0)
    }
}
