import NIOCore

/// Reads frames from bytes that come in pieces. It holds a control frame until that is whole, 64 KiB at most, and
/// passes data frames on as their bytes come.
struct SPDYFrameReader: ~Copyable {
    /// Bytes of a control frame behind its first eight.
    static let limit = 65_536

    private var held = ByteBuffer()
    private var data: (id: UInt32, left: Int, isLast: Bool)?
    private let inflater = HeaderInflater()

    mutating func add(_ bytes: ByteBuffer) {
        if held.readableBytes == 0 {
            held = bytes
        } else {
            held.discardReadBytes()
            held.writeImmutableBuffer(bytes)
        }
    }

    /// - Returns: The next frame, or nil if more bytes are needed.
    /// - Throws: `SPDYError`; then the connection cannot go on.
    mutating func next() throws(SPDYError) -> SPDYFrame? {
        if let open = data { return piece(of: open) }
        guard let first = held.getInteger(at: held.readerIndex, as: UInt32.self),
            let second = held.getInteger(at: held.readerIndex + 4, as: UInt32.self)
        else { return nil }
        let isLast = second >> 24 & 1 == 1
        let length = Int(second & 0xff_ffff)
        guard first >> 31 == 1 else {
            held.moveReaderIndex(forwardBy: 8)
            return piece(of: (first, length, isLast))
        }
        let version = UInt16(truncatingIfNeeded: first >> 16 & 0x7fff)
        let type = UInt16(truncatingIfNeeded: first)
        guard version == 3 else { throw .version(version) }
        guard length <= Self.limit else { throw .length(type: type, length) }
        guard held.readableBytes >= 8 + length else { return nil }
        held.moveReaderIndex(forwardBy: 8)
        var body = held.readSlice(length: length) ?? ByteBuffer()
        return try frame(type, isLast, &body)
    }

    /// A data frame without bytes is passed on as well: it may end a stream.
    private mutating func piece(of open: (id: UInt32, left: Int, isLast: Bool)) -> SPDYFrame? {
        let count = min(open.left, held.readableBytes)
        if count == 0, open.left > 0 {
            data = open
            return nil
        }
        let bytes = held.readSlice(length: count) ?? ByteBuffer()
        let isWhole = count == open.left
        data = isWhole ? nil : (open.id, open.left - count, open.isLast)
        return .data(id: open.id, bytes: bytes, isLast: isWhole && open.isLast)
    }

    private func frame(_ type: UInt16, _ isLast: Bool, _ body: inout ByteBuffer) throws(SPDYError) -> SPDYFrame {
        let length = body.readableBytes
        func word() throws(SPDYError) -> UInt32 {
            guard let word = body.readInteger(as: UInt32.self) else { throw .length(type: type, length) }
            return word
        }
        func identifier() throws(SPDYError) -> UInt32 { try word() & 0x7fff_ffff }
        func headers() throws(SPDYError) -> [SPDYHeader] {
            let block = body.readBytes(length: body.readableBytes) ?? []
            return try [SPDYHeader](block: try inflater.inflated(block))
        }
        let frame: SPDYFrame
        switch type {
        case SPDYType.openStream:
            let id = try identifier()
            _ = try word()  // The stream that it belongs to, which nobody asks for.
            // Priority and slot.
            guard body.readInteger(as: UInt16.self) != nil else { throw .length(type: type, length) }
            frame = .openStream(id: id, headers: try headers(), isLast: isLast)
        case SPDYType.reply: frame = .reply(id: try identifier(), headers: try headers(), isLast: isLast)
        case SPDYType.headers: frame = .headers(id: try identifier(), headers: try headers(), isLast: isLast)
        case SPDYType.reset: frame = .reset(id: try identifier(), status: try word())
        case SPDYType.settings:
            let count = Int(try word())
            guard body.readableBytes == count * 8 else { throw .length(type: type, length) }
            var settings: [SPDYFrame.Setting] = []
            for _ in 0..<count { settings.append(.init(id: try word() & 0xff_ffff, value: try word())) }
            frame = .settings(settings)
        case SPDYType.ping: frame = .ping(id: try word())
        case SPDYType.goAway: frame = .goAway(lastStream: try identifier(), status: try word())
        case SPDYType.windowUpdate: frame = .windowUpdate(id: try identifier(), delta: try identifier())
        default: return .unknown(type: type)
        }
        guard body.readableBytes == 0 else { throw .length(type: type, length) }
        return frame
    }
}
