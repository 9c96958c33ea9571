import CLibz

/// A header as SPDY sends it: names in lower case, several values of one name with a zero byte between them.
struct SPDYHeader: Sendable, Hashable {
    var name: String
    var value: String
}

/// A zlib stream, which lives as long as its connection, in one direction.
private struct ZlibStream: ~Copyable {
    private static let pieceSize = 4096

    // zlib holds on to the address of its struct.
    let stream: UnsafeMutablePointer<z_stream>
    let end: (UnsafeMutablePointer<z_stream>) -> Int32

    init(end: @escaping (UnsafeMutablePointer<z_stream>) -> Int32) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        self.end = end
    }

    // A stream that was never set up is refused by `end` and is as it was.
    deinit {
        _ = end(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// Puts a block through.
    ///
    /// - Parameter step: `inflate` or `deflate`, with what it returns.
    /// - Returns: nil if zlib refuses the block, or what comes out is longer than the limit.
    func output(of block: [UInt8], limit: Int, _ step: (UnsafeMutablePointer<z_stream>) -> Int32) -> [UInt8]? {
        var input = block
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: Self.pieceSize)
        let count = UInt32(truncatingIfNeeded: input.count)
        defer { (stream.pointee.next_in, stream.pointee.next_out) = (nil, nil) }
        return input.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = count
            while true {
                let (status, produced) = piece.withUnsafeMutableBufferPointer { piece in
                    stream.pointee.next_out = piece.baseAddress
                    stream.pointee.avail_out = UInt32(truncatingIfNeeded: piece.count)
                    return (step(stream), piece.count - Int(stream.pointee.avail_out))
                }
                output += piece.prefix(produced)
                guard output.count <= limit, status == Z_OK || status == Z_BUF_ERROR else { return nil }
                // Room that was left over says that zlib has no more to give.
                if produced < Self.pieceSize { return stream.pointee.avail_in == 0 ? output : nil }
            }
        }
    }
}

/// The zlib stream of header blocks that a peer sends.
struct HeaderInflater: ~Copyable {
    /// Bytes of one block, inflated.
    static let limit = 65_536

    private let zlib = ZlibStream(end: inflateEnd)
    private let isReady: Bool

    init() { isReady = labrun_inflate_init(zlib.stream) == Z_OK }

    /// - Throws: `SPDYError.headers`: what came is no zlib stream with SPDY's dictionary, or inflates to too much. The
    ///   connection cannot go on.
    func inflated(_ block: [UInt8]) throws(SPDYError) -> [UInt8] {
        let output =
            isReady
            ? zlib.output(of: block, limit: Self.limit) { stream in
                let status = inflate(stream, Z_SYNC_FLUSH)
                guard status == Z_NEED_DICT else { return status }
                let dictionary = spdyHeaderDictionary
                let taken = inflateSetDictionary(stream, dictionary, UInt32(truncatingIfNeeded: dictionary.count))
                return taken == Z_OK ? inflate(stream, Z_SYNC_FLUSH) : taken
            } : nil
        guard let output else { throw .headers }
        return output
    }
}

/// The zlib stream of header blocks that are sent.
struct HeaderDeflater: ~Copyable {
    private let zlib = ZlibStream(end: deflateEnd)
    private let isReady: Bool

    init() {
        let dictionary = spdyHeaderDictionary
        isReady =
            labrun_deflate_init(zlib.stream, Z_DEFAULT_COMPRESSION) == Z_OK
            && deflateSetDictionary(zlib.stream, dictionary, UInt32(truncatingIfNeeded: dictionary.count)) == Z_OK
    }

    /// - Throws: `SPDYError.headers` if zlib refuses, which is a lack of memory.
    func deflated(_ block: [UInt8]) throws(SPDYError) -> [UInt8] {
        guard isReady, let output = zlib.output(of: block, limit: .max, { deflate($0, Z_SYNC_FLUSH) }) else {
            throw .headers
        }
        return output
    }
}

extension [SPDYHeader] {
    /// The value of a name, in whatever case it is asked for.
    subscript(name: String) -> String? {
        let name = name.lowercased()
        return first { $0.name == name }?.value
    }

    /// A block of names and values: the number of pairs, then each with its length, all of 32 bits.
    var block: [UInt8] {
        func number(_ value: Int) -> [UInt8] {
            let value = UInt32(truncatingIfNeeded: value)
            return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
        }
        return reduce(into: number(count)) { bytes, header in
            bytes += number(header.name.utf8.count) + header.name.utf8
            bytes += number(header.value.utf8.count) + header.value.utf8
        }
    }

    /// Reads a block.
    ///
    /// - Throws: `SPDYError.headers`: a length beyond the block, more than 256 pairs, a name that is empty, not in
    /// lower
    ///   case or twice there, or bytes behind the last pair.
    init(block: [UInt8]) throws(SPDYError) {
        self = []
        var rest = block[...]
        func number() throws(SPDYError) -> Int {
            guard rest.count >= 4 else { throw .headers }
            defer { rest = rest.dropFirst(4) }
            return rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        }
        func text() throws(SPDYError) -> String {
            let count = try number()
            guard count <= rest.count else { throw .headers }
            defer { rest = rest.dropFirst(count) }
            return String(decoding: rest.prefix(count), as: UTF8.self)
        }
        let pairs = try number()
        guard pairs <= 256 else { throw .headers }
        for _ in 0..<pairs {
            let name = try text()
            let value = try text()
            guard !name.isEmpty, name == name.lowercased(), self[name] == nil else { throw .headers }
            append(SPDYHeader(name: name, value: value))
        }
        guard rest.isEmpty else { throw .headers }
    }
}
