import NIOCore
import NIOPosix
import Testing

@testable import KubeletServer

/// The HTTP part of the server without TLS, on a free port of 127.0.0.1.
struct PlainKubelet {
    let backend = FakeBackend()
    private let channel: any Channel
    var port: Int { channel.localAddress?.port ?? 0 }

    /// - Parameter user: Who every client is.
    init(user: PeerIdentity? = PeerIdentity(user: "kube-apiserver-kubelet-client")) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let routes = Routes(backend: backend, access: KubeletAccess(), now: { LogTime(seconds: 100) })
        let streams = StreamUpgrade(routes: routes, group: group, streamTime: .milliseconds(200))
        channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try KubeletServer.install(on: channel, streams, identify: { _ in user })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async { try? await channel.close().get() }

    /// Sends a request and returns the status and the body, as the connection has it.
    func get(_ uri: String, method: String = "GET") async throws -> (status: Int, body: String) {
        let client = try await TestClient(port: port)
        try await client.send("\(method) \(uri) HTTP/1.1\r\nHost: n1\r\nConnection: close\r\n\r\n")
        let answer = String(decoding: await client.rest(), as: UTF8.self)
        let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let status = parts.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return (try #require(status, "\(answer)"), parts.count > 1 ? String(parts[1]) : "")
    }
}

/// A TCP client.
final class TestClient {
    let channel: any Channel
    private let reads: ByteQueue
    private var held: [UInt8] = []

    init(port: Int) async throws {
        let handler = BufferedReads()
        reads = handler.queue
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(handler) }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }

    /// What comes next; nil at the end of the connection.
    func next() async -> [UInt8]? {
        guard held.isEmpty else {
            defer { held = [] }
            return held
        }
        return await reads.next()
    }

    /// Everything until the connection ends.
    func rest() async -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = await next() { bytes += more }
        return bytes
    }

    /// Reads the head of an answer; what follows stays.
    func head() async throws -> String {
        var bytes: [UInt8] = []
        while let more = await next() {
            bytes += more
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.utf8.firstRange(of: "\r\n\r\n".utf8) else { continue }
            let count = text.utf8.distance(from: text.utf8.startIndex, to: end.upperBound)
            held = Array(bytes.dropFirst(count))
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func close() async { try? await channel.close().get() }
}

/// A SPDY client, as kubectl is one.
final class SPDYClient {
    let client: TestClient
    let head: String
    private var reader = SPDYFrameReader()
    private let writer = SPDYFrameWriter()
    private(set) var data: [UInt32: [UInt8]] = [:]
    private(set) var ended: Set<UInt32> = []
    private(set) var replied: Set<UInt32> = []
    private(set) var reset: [UInt32: UInt32] = [:]
    private(set) var others: [SPDYFrame] = []
    private var next: UInt32 = 1

    init(_ kubelet: PlainKubelet, _ uri: String, _ version: String = "v4.channel.k8s.io") async throws {
        client = try await TestClient(port: kubelet.port)
        try await client.send(
            "POST \(uri) HTTP/1.1\r\nHost: n1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                + "X-Stream-Protocol-Version: \(version)\r\nContent-Length: 0\r\n\r\n")
        head = try await client.head()
    }

    func send(_ frame: SPDYFrame) async throws { try await client.send(Array(buffer: try writer.bytes(frame))) }

    func open(_ headers: [(String, String)]) async throws -> UInt32 {
        defer { next += 2 }
        try await send(
            .openStream(id: next, headers: headers.map { SPDYHeader(name: $0.0, value: $0.1) }, isLast: false))
        return next
    }

    func write(_ bytes: [UInt8], on id: UInt32, isLast: Bool = false) async throws {
        try await send(.data(id: id, bytes: ByteBuffer(bytes: bytes), isLast: isLast))
    }

    /// Reads until something holds or the connection ends.
    func read(until holds: (SPDYClient) -> Bool = { _ in false }) async throws {
        while !holds(self), let bytes = await client.next() {
            reader.add(ByteBuffer(bytes: bytes))
            while let frame = try reader.next() {
                switch frame {
                case .data(let id, let bytes, let isLast):
                    data[id, default: []] += Array(buffer: bytes)
                    if isLast { ended.insert(id) }
                case .reply(let id, _, _): replied.insert(id)
                case .reset(let id, let status): reset[id] = status
                default: others.append(frame)
                }
            }
        }
    }

    func text(_ id: UInt32) -> String { String(decoding: data[id] ?? [], as: UTF8.self) }
}
