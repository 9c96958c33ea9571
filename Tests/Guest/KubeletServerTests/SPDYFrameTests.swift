import CLibz
import NIOCore
import Testing

@testable import KubeletServer

@Suite("SPDY frames")
struct SPDYFrameTests {
    static let headers = [
        SPDYHeader(name: "streamtype", value: "stdout"), SPDYHeader(name: "port", value: "8080"),
        SPDYHeader(name: "many", value: "one\0two"),
    ]

    /// One after the other on one connection, since header blocks share a zlib stream.
    static let frames: [SPDYFrame] = [
        .openStream(id: 1, headers: headers, isLast: false),
        .openStream(id: 3, headers: [], isLast: true),
        .reply(id: 1, headers: [], isLast: false),
        .reply(id: 3, headers: headers, isLast: true),
        .headers(id: 1, headers: headers.reversed(), isLast: false),
        .reset(id: 1, status: SPDYReset.cancel),
        .settings([.init(id: 7, value: 1_000_000), .init(id: 4, value: 100)]),
        .settings([]),
        .ping(id: 0xffff_fffe),
        .goAway(lastStream: 0x7fff_ffff, status: 0),
        .windowUpdate(id: 1, delta: 0x7fff_ffff),
        .data(id: 1, bytes: ByteBuffer(string: "hello"), isLast: false),
        .data(id: 1, bytes: ByteBuffer(), isLast: true),
    ]

    static func written(_ frames: [SPDYFrame]) throws -> [UInt8] {
        let writer = SPDYFrameWriter()
        return try frames.flatMap { Array(buffer: try writer.bytes($0)) }
    }

    static func read(_ bytes: [UInt8], piece: Int = .max) throws -> [SPDYFrame] {
        var reader = SPDYFrameReader()
        var frames: [SPDYFrame] = []
        var rest = bytes[...]
        repeat {
            reader.add(ByteBuffer(bytes: rest.prefix(piece)))
            rest = rest.dropFirst(piece)
            while let frame = try reader.next() { frames.append(frame) }
        } while !rest.isEmpty
        return frames
    }

    @Test("What is written is read again, in pieces of any size", arguments: [1, 2, 7, 100, Int.max])
    func roundTrip(piece: Int) throws {
        let read = try Self.read(try Self.written(Self.frames), piece: piece)
        #expect(Self.joined(read) == Self.frames)
    }

    /// Puts pieces of one data frame together again.
    static func joined(_ frames: [SPDYFrame]) -> [SPDYFrame] {
        frames.reduce(into: []) { joined, frame in
            if case .data(let id, let bytes, let isLast) = frame, case .data(id, var before, false)? = joined.last,
                bytes.readableBytes > 0
            {
                before.writeImmutableBuffer(bytes)
                joined[joined.count - 1] = .data(id: id, bytes: before, isLast: isLast)
            } else {
                joined.append(frame)
            }
        }
    }

    @Test(
        "Octets of the specification",
        arguments: [
            (.reset(id: 5, status: 3), [0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 3]),
            (.ping(id: 1), [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]),
            (.goAway(lastStream: 9, status: 1), [0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 1]),
            (.windowUpdate(id: 3, delta: 256), [0x80, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 1, 0]),
            (
                .settings([.init(id: 7, value: 65_536)]),
                [0x80, 3, 0, 4, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0, 0]
            ),
            (.data(id: 7, bytes: ByteBuffer(bytes: [1, 2]), isLast: true), [0, 0, 0, 7, 1, 0, 0, 2, 1, 2]),
        ] as [(SPDYFrame, [UInt8])])
    func octets(frame: SPDYFrame, bytes: [UInt8]) throws {
        #expect(try Self.written([frame]) == bytes)
        #expect(try Self.read(bytes) == [frame])
    }

    @Test("The dictionary is the specification's")
    func dictionary() {
        let dictionary = spdyHeaderDictionary
        #expect(dictionary.count == 1423)
        #expect(adler32(1, dictionary, UInt32(dictionary.count)) == 0xe3c6_a7c2)
    }

    /// What Go's compressor makes of `streamType: error`, as moby/spdystream sends it, with the dictionary's sum in
    /// front.
    @Test("A header block begins with zlib's header and the dictionary's sum")
    func zlibHeader() throws {
        let bytes = try Self.written([.openStream(id: 1, headers: Self.headers, isLast: false)])
        #expect(bytes[18] == 0x78)
        #expect(Array(bytes[20..<24]) == [0xe3, 0xc6, 0xa7, 0xc2])
    }

    @Test(
        "What is no frame ends the reading",
        arguments: [
            ("version 2", [0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]),
            ("ping of 5 bytes", [0x80, 3, 0, 6, 0, 0, 0, 5, 0, 0, 0, 1, 0]),
            ("reset of 4 bytes", [0x80, 3, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1]),
            ("settings with a wrong count", [0x80, 3, 0, 4, 0, 0, 0, 4, 0x10, 0, 0, 0]),
            ("a control frame of 16 MiB", [0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff]),
            ("headers that are no zlib stream", [0x80, 3, 0, 2, 0, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4]),
            ("no headers at all", [0x80, 3, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1]),
        ] as [(String, [UInt8])])
    func refused(what: String, bytes: [UInt8]) {
        #expect(throws: SPDYError.self) { try Self.read(bytes) }
    }

    @Test("An unknown control frame is passed over")
    func unknown() throws {
        #expect(
            try Self.read([0x80, 3, 0, 99, 0, 0, 0, 1, 0xff, 0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1])
                == [.unknown(type: 99), .ping(id: 1)])
    }

    @Test("A block that inflates to more than 64 KiB is refused")
    func bomb() throws {
        let headers = [SPDYHeader(name: "x", value: String(repeating: "a", count: HeaderInflater.limit))]
        let bytes = try Self.written([.reply(id: 1, headers: headers, isLast: false)])
        #expect(bytes.count < 2_000)
        #expect(throws: SPDYError.headers) { try Self.read(bytes) }
    }

    @Test(
        "Blocks that are no headers",
        arguments: [
            [], [0, 0, 0], [0, 0, 0, 1], [0xff, 0xff, 0xff, 0xff],
            [0, 0, 0, 1, 0, 0, 0, 9, 97], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 1, 0, 0, 0, 1, 65, 0, 0, 0, 0], [0, 0, 0, 0, 1],
            [0, 0, 0, 2, 0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 0, 0],
        ] as [[UInt8]])
    func blocks(block: [UInt8]) {
        #expect(throws: SPDYError.headers) { try [SPDYHeader](block: block) }
    }

    @Test("10,000 mutated connections are read or refused, and never more is read than came")
    func mutated() throws {
        var random = SeededNumbers(seed: 31)
        let bytes = try Self.written(Self.frames)
        var refused = 0
        for _ in 0..<10_000 {
            let mutated = random.mutated(bytes)
            do {
                let frames = try Self.read(mutated, piece: random.below(64) + 1)
                let data = frames.reduce(0) { sum, frame in
                    if case .data(_, let bytes, _) = frame { sum + bytes.readableBytes } else { sum }
                }
                #expect(data <= mutated.count)
            } catch is SPDYError { refused += 1 }
        }
        #expect((1_000..<9_999).contains(refused), "\(refused) of 10,000 refused")
    }
}
