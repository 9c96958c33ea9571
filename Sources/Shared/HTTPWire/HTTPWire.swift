import NIOCore
import NIOEmbedded
public import NIOHTTP1

/// HTTP/1.1 messages as bytes (RFC 9112), for programs that have a blocking or polled socket and no event loop of
/// NIO's.
///
/// NIO's own decoder and encoder do the work. Each call makes a channel that is connected to nothing, and ends it
/// before it returns. The bytes come from strangers: they are bounded by `Limits`, and whatever they are, they end in a
/// message, in nil or in a `Mistake`.
public enum HTTPWire {
    /// How large a message may be.
    public struct Limits: Sendable {
        /// Bytes of the head, from the first line to the empty line that ends it.
        public var head: Int
        /// Bytes of the body.
        public var body: Int

        public init(head: Int, body: Int) {
            self.head = head
            self.body = body
        }

        /// The limits of NIO's decoder that follow from these: a head has at most 100 fields, and a field at most 16
        /// KiB.
        public var decoder: NIOHTTPDecoderLimitConfiguration {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = min(head, 16_384)
            limits.maxHeaderListSize = head
            limits.maxHeaderFieldCount = 100
            return limits
        }
    }

    /// Why bytes are not read as a message.
    public enum Mistake: Error, Hashable {
        /// They are not HTTP/1.0 or HTTP/1.1, or not framed in one way only.
        case malformed
        case headTooLong
        case bodyTooLong
    }

    /// What has come of one message whose head is whole.
    public struct Message<Head> {
        public let head: Head
        public let body: [UInt8]
        /// Whether the body has ended too.
        public let isWhole: Bool
    }

    /// Reads the first request among the bytes that have come so far. Nil while its head has not ended.
    public static func request(in bytes: [UInt8], limits: Limits) throws(Mistake) -> Message<HTTPRequestHead>? {
        guard try headHasEnded(bytes, limit: limits.head) else { return nil }
        let channel = EmbeddedChannel(handlers: [
            ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits.decoder))
        ])
        defer { end(channel) }
        return try message(
            from: channel, bytes, limit: limits.body, end: false, headers: \.headers,
            reading: HTTPServerRequestPart.self)
    }

    /// Reads the first response among the bytes that have come so far. It may be an informational one (100…199). The
    /// result is nil while the response's head has not ended.
    ///
    /// - Parameters:
    ///   - method: The request's method, because it decides whether the response has a body.
    ///   - ended: Whether the connection has ended. The end completes a body without a length. A body that is shorter
    ///     than its length was then cut off, and the response is malformed.
    public static func response(
        in bytes: [UInt8], to method: HTTPMethod, ended: Bool, limits: Limits
    ) throws(Mistake) -> Message<HTTPResponseHead>? {
        guard try headHasEnded(bytes, limit: limits.head) else {
            if ended { throw .malformed }
            return nil
        }
        let decoder = HTTPResponseDecoder(
            informationalResponseStrategy: .forward, limitConfiguration: limits.decoder)
        let channel = EmbeddedChannel(handlers: [ByteToMessageHandler(decoder)])
        defer { end(channel) }
        // The decoder sees each request on its way out, and so knows what the response belongs to.
        let asked = HTTPRequestHead(version: .http1_1, method: method, uri: "/")
        _ = try? channel.writeOutbound(HTTPClientRequestPart.head(asked))
        return try message(
            from: channel, bytes, limit: limits.body, end: ended, headers: \.headers,
            reading: HTTPClientResponsePart.self)
    }

    /// A request's bytes. Its headers are written as they are given, none is added.
    public static func bytes(of head: HTTPRequestHead, body: [UInt8] = []) -> [UInt8] {
        var configuration = HTTPRequestEncoder.Configuration()
        configuration.automaticallySetFramingHeaders = false
        return bytes(
            from: HTTPRequestEncoder(configuration: configuration), HTTPClientRequestPart.head(head),
            body: body.isEmpty ? nil : .body(.byteBuffer(ByteBuffer(bytes: body))))
    }

    /// A response's bytes. Its headers are written as they are given, none is added.
    public static func bytes(of head: HTTPResponseHead, body: [UInt8] = []) -> [UInt8] {
        var configuration = HTTPResponseEncoder.Configuration()
        configuration.automaticallySetFramingHeaders = false
        return bytes(
            from: HTTPResponseEncoder(configuration: configuration), HTTPServerResponsePart.head(head),
            body: body.isEmpty ? nil : .body(.byteBuffer(ByteBuffer(bytes: body))))
    }
}

// MARK: The channel

extension HTTPWire {
    /// Whether the empty line after the head is there. It saves the decoder from reading the same half head again and
    /// again.
    private static func headHasEnded(_ bytes: [UInt8], limit: Int) throws(Mistake) -> Bool {
        var lineIsEmpty = false
        for byte in bytes.prefix(limit) {
            if byte == UInt8(ascii: "\n") {
                if lineIsEmpty { return true }
                lineIsEmpty = true
            } else if byte != UInt8(ascii: "\r") {
                lineIsEmpty = false
            }
        }
        if bytes.count >= limit { throw .headTooLong }
        return false
    }

    /// Gives the bytes to the channel's decoder and gathers the parts of the first message that it makes of them.
    private static func message<Head: Equatable>(
        from channel: EmbeddedChannel, _ bytes: [UInt8], limit: Int, end: Bool, headers: (Head) -> HTTPHeaders,
        reading: HTTPPart<Head, ByteBuffer>.Type
    ) throws(Mistake) -> Message<Head>? {
        // The parts before a mistake are read all the same: what comes after the first message does not matter.
        var isBroken = false
        do {
            try channel.writeInbound(ByteBuffer(bytes: bytes))
            if end { _ = try channel.finish(acceptAlreadyClosed: true) }
        } catch {
            isBroken = true
        }
        var found: Head?
        var body: [UInt8] = []
        while let part = try? channel.readInbound(as: reading) {
            switch part {
            case .head(let head):
                // An informational response (100…199) is a head that another one follows.
                if let found { return Message(head: found, body: [], isWhole: true) }
                found = head
                let length = headers(head).first(name: "content-length").flatMap { Int($0) } ?? 0
                if length > limit { throw .bodyTooLong }
            case .body(let more):
                body += more.readableBytesView
                if body.count > limit { throw .bodyTooLong }
            case .end:
                guard let found else { throw .malformed }
                return Message(head: found, body: body, isWhole: true)
            }
        }
        // The bytes contain the empty line that ends a head. If the decoder has found no head in them, none will come.
        guard let found, !isBroken, !end else { throw .malformed }
        return Message(head: found, body: body, isWhole: false)
    }

    private static func bytes<Head: Equatable>(
        from encoder: some ChannelHandler, _ head: HTTPPart<Head, IOData>, body: HTTPPart<Head, IOData>?
    ) -> [UInt8] {
        let channel = EmbeddedChannel(handlers: [encoder])
        defer { end(channel) }
        var bytes: [UInt8] = []
        for part in [head, body, .end(nil)].compactMap({ $0 }) { _ = try? channel.writeOutbound(part) }
        while let next = try? channel.readOutbound(as: ByteBuffer.self) { bytes += next.readableBytesView }
        return bytes
    }

    private static func end(_ channel: EmbeddedChannel) { _ = try? channel.finish(acceptAlreadyClosed: true) }
}
