import NIOCore
import NIOEmbedded
import Testing

@testable import TLS

/// Two handlers back to back: what one sends is what the other receives.
private final class Pair {
    let client: EmbeddedChannel
    let server: EmbeddedChannel
    let (clientTLS, serverTLS): (TLSHandler, TLSHandler)
    var (clientErrors, serverErrors): ([any Error], [any Error]) = ([], [])

    init(_ client: TLSContext, _ server: TLSContext, address: String? = "127.0.0.1") throws {
        clientTLS = try TLSHandler(client: client, address: address)
        serverTLS = try TLSHandler(server: server)
        self.client = EmbeddedChannel()
        self.server = EmbeddedChannel()
        try self.client.pipeline.syncOperations.addHandler(clientTLS)
        try self.server.pipeline.syncOperations.addHandler(serverTLS)
        try self.server.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try self.client.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        exchange()
    }

    /// Carries octets both ways until both sides are silent.
    func exchange(pieces: Int = .max) {
        var moved = true
        while moved {
            moved = false
            moved = carry(client, server, &serverErrors, pieces) || moved
            moved = carry(server, client, &clientErrors, pieces) || moved
        }
    }

    private func carry(
        _ from: EmbeddedChannel, _ to: EmbeddedChannel, _ errors: inout [any Error], _ pieces: Int
    ) -> Bool {
        var moved = false
        while var buffer = try? from.readOutbound(as: ByteBuffer.self) {
            moved = true
            while let piece = buffer.readSlice(length: min(pieces, buffer.readableBytes)), piece.readableBytes > 0 {
                do { try to.writeInbound(piece) } catch { errors.append(error) }
            }
        }
        return moved
    }

    func received(_ channel: EmbeddedChannel) -> [UInt8] {
        var all: [UInt8] = []
        while let buffer = try? channel.readInbound(as: ByteBuffer.self) { all += buffer.readableBytesView }
        return all
    }
}

@Suite struct TLSHandlerTests {
    private func server(clientAuthority: String? = Fixture.authority) throws -> TLSContext {
        try TLSContext(serverChainPEM: Fixture.server, keyPEM: Fixture.serverKey, clientAuthorityPEM: clientAuthority)
    }

    @Test func bothSidesSpeak() throws {
        let pair = try Pair(TLSContext(clientTrusting: Fixture.authority), server())
        let question = [UInt8](repeating: 7, count: 100_000)
        pair.client.writeAndFlush(ByteBuffer(bytes: question), promise: nil)
        pair.exchange(pieces: 1_000)
        #expect(pair.received(pair.server) == question)
        pair.server.writeAndFlush(ByteBuffer(string: "answer"), promise: nil)
        pair.exchange(pieces: 1)
        #expect(pair.received(pair.client) == Array("answer".utf8))
        #expect(pair.serverTLS.peer == nil)
        #expect(pair.clientTLS.peer?.commonName == "server")
    }

    @Test func aClientIsKnownByItsCertificate() throws {
        let context = try TLSContext(
            clientTrusting: Fixture.authority, chainPEM: Fixture.client, keyPEM: Fixture.clientKey)
        let pair = try Pair(context, server())
        #expect(
            pair.serverTLS.peer
                == TLSPeer(commonName: "system:node:node1", organizations: ["system:nodes", "others"]))
    }

    @Test func aServerOfAnotherAuthorityOrAddressIsRefused() throws {
        let stranger = try Pair(TLSContext(clientTrusting: Fixture.otherAuthority), server())
        #expect(
            stranger.clientErrors.first as? TLSError
                == .handshake("certificate verify failed: unable to get local issuer certificate"))
        #expect(stranger.serverErrors.first as? TLSError == .alert("tlsv1 alert unknown ca"))
        let elsewhere = try Pair(TLSContext(clientTrusting: Fixture.authority), server(), address: "127.0.0.2")
        #expect(
            elsewhere.clientErrors.first as? TLSError == .handshake("certificate verify failed: IP address mismatch"))
        let anybody = try Pair(TLSContext(clientTrusting: nil), server(), address: "127.0.0.2")
        #expect(anybody.clientErrors.isEmpty)
    }

    @Test func aClientOfAnotherAuthorityIsRefused() throws {
        let context = try TLSContext(
            clientTrusting: Fixture.authority, chainPEM: Fixture.stranger, keyPEM: Fixture.strangerKey)
        let pair = try Pair(context, server())
        let error = try #require(pair.serverErrors.first as? TLSError)
        #expect(error.description.contains("certificate verify failed"))
    }

    @Test func whatIsWrittenBeforeTheHandshakeWaitsForIt() throws {
        let handler = try TLSHandler(client: TLSContext(clientTrusting: Fixture.authority), address: nil)
        let channel = EmbeddedChannel(handler: handler)
        let early = channel.writeAndFlush(ByteBuffer(string: "early"))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let hello = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(!String(buffer: hello).contains("early"))
        channel.pipeline.fireChannelInactive()
        #expect(throws: TLSError.closed) { try early.wait() }
        #expect(throws: TLSError.closed) { try channel.throwIfErrorCaught() }
    }

    @Test func anEndWithoutAnAlertIsTruncation() throws {
        let cut = try Pair(TLSContext(clientTrusting: Fixture.authority), server())
        cut.client.pipeline.fireChannelInactive()
        #expect(throws: TLSError.truncated) { try cut.client.throwIfErrorCaught() }
        let closed = try Pair(TLSContext(clientTrusting: Fixture.authority), server())
        closed.server.close(promise: nil)
        closed.exchange()
        #expect(closed.clientErrors.isEmpty)
    }

    @Test func octetsThatAreNoTLSEndTheConnection() throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = SplitMix(seed)
            let channel = EmbeddedChannel(handler: try TLSHandler(server: server()))
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            let noise = (0..<300).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(throws: TLSError.self) {
                try channel.writeInbound(ByteBuffer(bytes: noise))
                try channel.throwIfErrorCaught()
            }
        }
    }

    @Test func octetsThatAreChangedOnTheWayAreNotDelivered() throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = SplitMix(seed)
            let pair = try Pair(TLSContext(clientTrusting: Fixture.authority), server())
            pair.client.writeAndFlush(ByteBuffer(string: "question"), promise: nil)
            var record = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
            let place = record.readerIndex + Int(random.next() % UInt64(record.readableBytes))
            let octet = try #require(record.getInteger(at: place, as: UInt8.self))
            record.setInteger(octet ^ UInt8(1 + random.next() % 255), at: place)
            // Where the record is longer now, more is waited for; anything else is an error.
            _ = try? pair.server.writeInbound(record)
            #expect(pair.received(pair.server).isEmpty)
        }
    }

    @Test func unusableMaterialIsNamed() throws {
        #expect(throws: TLSError.self) { try TLSContext(clientTrusting: "") }
        #expect(throws: TLSError.self) { try TLSContext(clientTrusting: "-----BEGIN CERTIFICATE-----\nAAAA") }
        #expect(throws: TLSError.self) {
            try TLSContext(serverChainPEM: Fixture.server, keyPEM: Fixture.clientKey, clientAuthorityPEM: nil)
        }
    }
}

private struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
