import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing

@testable import KubeletServer

@Suite("WebSocket channels", .timeLimit(.minutes(1)))
struct WebSocketTests {
    static let v4 = ChannelProtocol("v4.channel.k8s.io")
    static let v5 = ChannelProtocol("v5.channel.k8s.io", closes: true)
    static let text = ChannelProtocol("v4.base64.channel.k8s.io", base64: true)

    @Test(
        "Messages",
        arguments: [
            (v4, [0, 104, 105], .bytes(channel: 0, [104, 105])), (v4, [4], .bytes(channel: 4, [])), (v4, [], nil),
            (v4, [255, 0], .bytes(channel: 255, [0])), (v5, [255, 0], .close(channel: 0)), (v5, [255], nil),
            (text, Array("0aGk=".utf8), .bytes(channel: 0, [104, 105])),
            (text, Array("1".utf8), .bytes(channel: 1, [])),
            (text, Array("0aGk".utf8), nil), (text, Array("xaGk=".utf8), nil), (text, [0xff, 0xfe], nil),
        ] as [(ChannelProtocol, [UInt8], ChannelProtocol.Message?)])
    func messages(format: ChannelProtocol, message: [UInt8], read: ChannelProtocol.Message?) {
        #expect(format.read(message) == read)
    }

    @Test("Messages are written as they are read", arguments: [v4, v5, text])
    func roundTrip(format: ChannelProtocol) {
        for count in 0..<100 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
            #expect(format.read(format.message(bytes, on: 2)) == .bytes(channel: 2, bytes))
        }
    }

    /// A connection whose session reads channels 0 and 4.
    struct Connection {
        let channel = EmbeddedChannel()
        let session: WebSocketSession

        init(_ format: ChannelProtocol) throws {
            session = WebSocketSession(on: channel.embeddedEventLoop, format, reading: [0, 4])
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(WebSocketFrameEncoder())
            try pipeline.addHandler(
                ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: WebSocketSession.messageLimit)))
            try pipeline.addHandler(session)
        }

        func sent() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer: buffer) }
            return bytes
        }
    }

    /// A frame as a client sends it, masked, shorter than 126 bytes.
    static func frame(_ opcode: UInt8, _ bytes: [UInt8], fin: Bool = true) -> [UInt8] {
        let mask: [UInt8] = [1, 2, 3, 4]
        return [(fin ? 0x80 : 0) | opcode, 0x80 | UInt8(bytes.count)] + mask
            + bytes.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    @Test("What a client sends comes to its channel, in fragments too")
    func reading() async throws {
        let connection = try Connection(Self.v5)
        let input = try #require(connection.session.input(0))
        let frames =
            Self.frame(2, [0, 97]) + Self.frame(2, [0, 98], fin: false) + Self.frame(9, [7])
            + Self.frame(0, [99]) + Self.frame(2, [4, 120]) + Self.frame(2, [9, 1]) + Self.frame(2, [255, 0])
        for byte in frames { try connection.channel.writeInbound(ByteBuffer(bytes: [byte])) }
        #expect(await input.next() == Array("abc".utf8))
        #expect(await input.next() == nil)
        #expect(await connection.session.input(4)?.next() == Array("x".utf8))
        // The answer to the ping.
        #expect(try connection.sent() == [0x8a, 1, 7])
        _ = try? connection.channel.finish()
    }

    @Test(
        "A mistake ends the connection with its code",
        arguments: [
            ("unmasked", [0x82, 1, 0], 1002), ("no channel", frame(2, [255, 1, 2]), 1007),
            ("continuation of nothing", frame(0, [1]), 1002),
            ("a message within a message", frame(2, [0], fin: false) + frame(2, [0]), 1002),
            ("reserved", frame(3, [1]), 1002),
        ] as [(String, [UInt8], Int)])
    func mistakes(what: String, bytes: [UInt8], code: Int) throws {
        let connection = try Connection(Self.v5)
        _ = try? connection.channel.writeInbound(ByteBuffer(bytes: bytes))
        #expect(try connection.sent() == [0x88, 2, UInt8(code >> 8), UInt8(code & 255)], "\(what)")
        _ = try? connection.channel.finish()
    }

    @Test("10,000 mutated connections end or go on")
    func mutated() throws {
        var random = SeededNumbers(seed: 3)
        let bytes =
            Self.frame(2, [0] + Array("some input".utf8)) + Self.frame(1, [0, 1], fin: false) + Self.frame(9, [])
            + Self.frame(0, [2, 3, 4]) + Self.frame(2, [4] + Array("{\"Width\":80,\"Height\":24}".utf8))
            + Self.frame(2, [255, 0]) + Self.frame(8, [3, 232])
        for _ in 0..<10_000 {
            let connection = try Connection(Self.v5)
            let piece = random.below(20) + 1
            var rest = random.mutated(bytes)[...]
            while !rest.isEmpty {
                _ = try? connection.channel.writeInbound(ByteBuffer(bytes: rest.prefix(piece)))
                rest = rest.dropFirst(piece)
            }
            _ = try? connection.channel.finish(acceptAlreadyClosed: true)
        }
    }
}
