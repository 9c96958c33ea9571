import Hashing
import NodeProtocol
import Testing

private func frame(_ id: UInt64, json: String = "{\"a\":1}", blob: [UInt8] = []) -> Frame {
    Frame(kind: .request, session: 7, request: id, json: Array(json.utf8), blob: blob)
}

private func bytes(_ frame: Frame) -> [UInt8] { frame.encoded ?? [] }

private func decode(_ input: [UInt8], chunk: Int) -> (frames: [Frame], decoder: FrameDecoder) {
    var decoder = FrameDecoder()
    var frames: [Frame] = []
    var position = 0
    while position < input.count {
        let end = min(position + chunk, input.count)
        decoder.append(input[position..<end])
        position = end
        while let frame = decoder.next() { frames.append(frame) }
    }
    return (frames, decoder)
}

@Suite struct FrameDecoderTests {
    static let full = frame(1, blob: Array(0...255))

    static let streams: [(name: String, input: [UInt8], ids: [UInt64])] = [
        ("nothing", [], []),
        ("one", bytes(frame(1)), [1]),
        ("empty parts", bytes(frame(1, json: "")), [1]),
        ("two", bytes(frame(1)) + bytes(frame(2)), [1, 2]),
        (
            "binary part with a magic inside", bytes(frame(1, blob: Frame.magic + bytes(frame(9)))) + bytes(frame(2)),
            [1, 2]
        ),
        ("garbage before", [1, 2, 3, 0xFF, 0x6C] + bytes(frame(1)), [1]),
        ("magic twice", Frame.magic + bytes(frame(1)), [1]),
        ("half header, then a frame", bytes(frame(1)).prefix(20) + bytes(frame(2)), [2]),
        ("whole header only, then a frame", bytes(frame(1)).prefix(32) + bytes(frame(2)), [2]),
        (
            "half JSON, then a frame",
            bytes(frame(1, json: String(repeating: "x", count: 900))).prefix(400) + bytes(frame(2)), [2]
        ),
        ("tail of a frame, then a frame", Array(bytes(frame(1)).dropFirst(5)) + bytes(frame(2)), [2]),
        ("garbage between", bytes(frame(1)) + [0xFF, 0xFF, 0x6C, 0x62, 0xFE, 9] + bytes(frame(2)), [1, 2]),
    ]

    @Test(arguments: streams.indices) func streamsInEveryChunkSize(index: Int) {
        let stream = Self.streams[index]
        for chunk in [1, 2, 3, 7, 31, 32, 33, 1 << 20] {
            let (frames, decoder) = decode(Array(stream.input), chunk: chunk)
            #expect(frames.map(\.request) == stream.ids, "\(stream.name), chunks of \(chunk)")
            #expect(decoder.pendingBytes == 0, "\(stream.name), chunks of \(chunk)")
        }
    }

    @Test func everyCutIsRecoveredFrom() {
        let whole = bytes(frame(1, json: "{\"deep\":[1,2,3]}"))
        for cut in 0..<whole.count {
            let (frames, _) = decode(Array(whole.prefix(cut)) + bytes(frame(2)) + bytes(frame(3)), chunk: 5)
            #expect(frames.map(\.request) == [2, 3], "cut at \(cut)")
        }
    }

    @Test func everyFlippedHeaderBitLosesOnlyThatFrame() {
        let whole = bytes(frame(1))
        for bit in 0..<Frame.headerLength * 8 {
            var broken = whole
            broken[bit / 8] ^= 1 << (bit % 8)
            let (frames, _) = decode(broken + bytes(frame(2)), chunk: 64)
            #expect(frames.map(\.request) == [2], "bit \(bit)")
        }
    }

    @Test func fieldsSurvive() {
        let (frames, _) = decode(bytes(Self.full), chunk: 9)
        #expect(frames == [Self.full])
    }

    @Test func tooLongIsRefused() {
        let long = Frame(
            kind: .reply, session: 1, request: 1, json: [], blob: Array(repeating: 0, count: Frame.maximumLength + 1))
        #expect(long.encoded == nil)
        var header = bytes(frame(1)).prefix(28).map { $0 }
        header[24...27] = [0xF0, 0xFF, 0xFF, 0x7F]
        var sum: UInt32 = 2_166_136_261
        for byte in header { sum = (sum ^ UInt32(byte)) &* 16_777_619 }
        header += (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * UInt32($0))) }
        let (frames, decoder) = decode(header + bytes(frame(2)), chunk: 16)
        #expect(frames.map(\.request) == [2])
        #expect(decoder.refusedFrames == 1)
    }

    @Test func garbageIsNotKept() {
        var decoder = FrameDecoder()
        for _ in 0..<100 {
            decoder.append([UInt8](repeating: 0x41, count: 100_000))
            #expect(decoder.next() == nil)
            #expect(decoder.pendingBytes == 0)
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8]) func fuzz(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var stream: [UInt8] = []
        for id in 1...60 {
            var piece = bytes(
                frame(UInt64(id), json: String(repeating: "j", count: .random(in: 0...90, using: &random))))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: piece = Array(piece.prefix(.random(in: 0...piece.count, using: &random)))
            case 1: piece[.random(in: piece.indices, using: &random)] = .random(in: 0...255, using: &random)
            case 2:
                piece += (0..<Int.random(in: 0..<50, using: &random)).map { _ in
                    .random(in: 0xF8...0xFF, using: &random)
                }
            default: break
            }
            stream += piece
        }
        // Whatever happened before: once a frame's worth of quiet has passed, whole frames are found again.
        stream += [UInt8](repeating: 0, count: 1 << 12) + bytes(frame(1000))
        var decoder = FrameDecoder()
        var seen: [UInt64] = []
        while !stream.isEmpty {
            let count = min(stream.count, .random(in: 1...300, using: &random))
            decoder.append(stream[..<count])
            stream.removeFirst(count)
            while let frame = decoder.next() { seen.append(frame.request) }
        }
        #expect(seen.last == 1000)
        for _ in 0..<2000 {
            decoder.append(
                (0..<64).map { _ in Bool.random(using: &random) ? 0xFF : .random(in: 0...255, using: &random) })
            while decoder.next() != nil {}
        }
    }
}
