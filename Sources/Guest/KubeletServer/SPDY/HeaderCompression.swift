import CLibz

/// A header as SPDY sends it: names in lower case, several values of one name with a zero byte between them.
struct SPDYHeader: Sendable, Hashable {
    var name: String
    var value: String
}

/// The zlib stream of header blocks that a peer sends, one for the life of its connection.
struct HeaderInflater: ~Copyable {
    /// Bytes of one block, inflated.
    static let limit = 65_536

    // zlib holds on to the address of its struct.
    private let stream: UnsafeMutablePointer<z_stream>
    private let isReady: Bool

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        isReady = labrun_inflate_init(stream) == Z_OK
    }

    deinit {
        if isReady { inflateEnd(stream) }
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// - Throws: `SPDYError.headers`: what came is no zlib stream with SPDY's dictionary, or inflates to too much. The
    ///   connection cannot go on.
    func inflated(_ block: [UInt8]) throws(SPDYError) -> [UInt8] {
        guard isReady else { throw .headers }
        var input = block
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = input.count
        let isRead = input.withUnsafeMutableBufferPointer { input -> Bool in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(truncatingIfNeeded: count)
            while true {
                let (status, produced) = piece.withUnsafeMutableBufferPointer { piece in
                    stream.pointee.next_out = piece.baseAddress
                    stream.pointee.avail_out = UInt32(truncatingIfNeeded: piece.count)
                    return (inflate(stream, Z_SYNC_FLUSH), piece.count - Int(stream.pointee.avail_out))
                }
                output += piece.prefix(produced)
                guard output.count <= Self.limit else { return false }
                switch status {
                case Z_NEED_DICT:
                    let dictionary = spdyHeaderDictionary
                    guard inflateSetDictionary(stream, dictionary, UInt32(truncatingIfNeeded: dictionary.count)) == Z_OK
                    else { return false }
                case Z_OK, Z_BUF_ERROR:
                    if stream.pointee.avail_in == 0, produced < 4096 { return true }
                    // Nothing was read and nothing written: it would stay so.
                    if status == Z_BUF_ERROR, produced == 0 { return false }
                default: return false
                }
            }
        }
        stream.pointee.next_in = nil
        stream.pointee.next_out = nil
        guard isRead else { throw .headers }
        return output
    }
}

/// The zlib stream of header blocks that are sent.
struct HeaderDeflater: ~Copyable {
    private let stream: UnsafeMutablePointer<z_stream>
    private let isReady: Bool

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let dictionary = spdyHeaderDictionary
        isReady =
            labrun_deflate_init(stream, Z_DEFAULT_COMPRESSION) == Z_OK
            && deflateSetDictionary(stream, dictionary, UInt32(truncatingIfNeeded: dictionary.count)) == Z_OK
    }

    deinit {
        deflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// - Throws: `SPDYError.headers` if zlib refuses, which is a lack of memory.
    func deflated(_ block: [UInt8]) throws(SPDYError) -> [UInt8] {
        guard isReady else { throw .headers }
        var input = block
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = input.count
        let isWritten = input.withUnsafeMutableBufferPointer { input -> Bool in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(truncatingIfNeeded: count)
            while true {
                let (status, produced) = piece.withUnsafeMutableBufferPointer { piece in
                    stream.pointee.next_out = piece.baseAddress
                    stream.pointee.avail_out = UInt32(truncatingIfNeeded: piece.count)
                    return (deflate(stream, Z_SYNC_FLUSH), piece.count - Int(stream.pointee.avail_out))
                }
                output += piece.prefix(produced)
                guard status == Z_OK || status == Z_BUF_ERROR else { return false }
                // Room that was left over says that the flush is complete.
                if produced < 4096 { return true }
            }
        }
        stream.pointee.next_in = nil
        stream.pointee.next_out = nil
        guard isWritten else { throw .headers }
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
    /// - Throws: `SPDYError.headers`: a length beyond the block, more than 256 pairs, a name that is empty, not in lower
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
