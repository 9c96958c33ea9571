import NIOCore

/// A frame of SPDY/3.1 (draft-mbelshe-httpbis-spdy; "3.1" has windows for the whole connection too, which Kubernetes'
/// clients do not use).
enum SPDYFrame: Equatable {
    case openStream(id: UInt32, headers: [SPDYHeader], isLast: Bool)
    case reply(id: UInt32, headers: [SPDYHeader], isLast: Bool)
    case reset(id: UInt32, status: UInt32)
    case settings([Setting])
    case ping(id: UInt32)
    case goAway(lastStream: UInt32, status: UInt32)
    case headers(id: UInt32, headers: [SPDYHeader], isLast: Bool)
    case windowUpdate(id: UInt32, delta: UInt32)
    /// A piece of a data frame; `isLast` ends the sender's half of the stream.
    case data(id: UInt32, bytes: ByteBuffer, isLast: Bool)
    /// A control frame of another type: it is ignored (section 2.2.1).
    case unknown(type: UInt16)

    struct Setting: Equatable {
        var id: UInt32
        var value: UInt32

        static let initialWindow: UInt32 = 7
    }
}

/// Status codes of RST_STREAM.
enum SPDYReset {
    static let protocolError: UInt32 = 1
    static let invalidStream: UInt32 = 2
    static let refusedStream: UInt32 = 3
    static let cancel: UInt32 = 5
    static let flowControl: UInt32 = 7
    static let streamInUse: UInt32 = 8
    static let streamAlreadyClosed: UInt32 = 9
}

/// Why a connection's frames cannot be read any further.
enum SPDYError: Error, Equatable {
    case version(UInt16)
    case length(type: UInt16, Int)
    case headers
}

/// Types of control frames.
enum SPDYType {
    static let openStream: UInt16 = 1
    static let reply: UInt16 = 2
    static let reset: UInt16 = 3
    static let settings: UInt16 = 4
    static let ping: UInt16 = 6
    static let goAway: UInt16 = 7
    static let headers: UInt16 = 8
    static let windowUpdate: UInt16 = 9
}

/// Writes frames. Header blocks belong to one zlib stream, so frames are sent in the order in which they were written.
struct SPDYFrameWriter: ~Copyable {
    private let deflater = HeaderDeflater()

    /// - Throws: `SPDYError.headers`, for lack of memory.
    func bytes(_ frame: SPDYFrame) throws(SPDYError) -> ByteBuffer {
        switch frame {
        case .openStream(let id, let headers, let isLast):
            return control(SPDYType.openStream, isLast, [id, 0], [0, 0] + (try deflater.deflated(headers.block)))
        case .reply(let id, let headers, let isLast):
            return control(SPDYType.reply, isLast, [id], try deflater.deflated(headers.block))
        case .headers(let id, let headers, let isLast):
            return control(SPDYType.headers, isLast, [id], try deflater.deflated(headers.block))
        case .reset(let id, let status): return control(SPDYType.reset, false, [id, status])
        case .settings(let settings):
            return control(
                SPDYType.settings, false,
                [UInt32(truncatingIfNeeded: settings.count)] + settings.flatMap { [$0.id, $0.value] })
        case .ping(let id): return control(SPDYType.ping, false, [id])
        case .goAway(let lastStream, let status): return control(SPDYType.goAway, false, [lastStream, status])
        case .windowUpdate(let id, let delta): return control(SPDYType.windowUpdate, false, [id, delta])
        case .unknown(let type): return control(type, false, [])
        case .data(let id, let bytes, let isLast):
            var buffer = ByteBufferAllocator().buffer(capacity: 8 + bytes.readableBytes)
            buffer.writeInteger(id & 0x7fff_ffff)
            buffer.writeInteger((isLast ? 1 << 24 : 0) | UInt32(truncatingIfNeeded: bytes.readableBytes & 0xff_ffff))
            buffer.writeImmutableBuffer(bytes)
            return buffer
        }
    }

    private func control(_ type: UInt16, _ isLast: Bool, _ words: [UInt32], _ rest: [UInt8] = []) -> ByteBuffer {
        let length = words.count * 4 + rest.count
        var buffer = ByteBufferAllocator().buffer(capacity: 8 + length)
        buffer.writeInteger(0x8003 as UInt16)
        buffer.writeInteger(type)
        buffer.writeInteger((isLast ? 1 << 24 : 0) | UInt32(truncatingIfNeeded: length & 0xff_ffff))
        for word in words { buffer.writeInteger(word) }
        buffer.writeBytes(rest)
        return buffer
    }
}
