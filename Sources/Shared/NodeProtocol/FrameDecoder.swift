import Hashing

/// Finds frames in a stream of bytes, which may begin in the middle of a frame, contain garbage, or cut a frame off.
///
/// After a reconnect, the other side's parser still holds half of the last frame. The magic number of the next frame
/// then appears where JSON was expected, and ends that half frame.
public struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var head = 0
    /// The number of bytes of the JSON part at `head` that are known to contain no 0xFF.
    private var scanned = 0
    /// The number of bytes that belonged to no complete frame.
    public private(set) var skippedBytes = 0
    /// The number of frames refused, because they were too long or of an unknown version or kind.
    public private(set) var refusedFrames = 0

    public init() {}

    /// The number of bytes held that belong to no delivered frame yet.
    public var pendingBytes: Int { buffer.count - head }

    public mutating func append(_ bytes: some Collection<UInt8>) {
        if head > 0, head == buffer.count || head > 1 << 16 {
            buffer.removeFirst(head)
            head = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Discards an incomplete frame, when a connection begins anew.
    public mutating func reset() {
        skippedBytes += pendingBytes
        buffer.removeAll()
        head = 0
        scanned = 0
    }

    /// Returns the next complete frame, or nil if more bytes are needed.
    public mutating func next() -> Frame? {
        while seekMagic() {
            guard pendingBytes >= Frame.headerLength else { return nil }
            guard let header = readHeader() else { continue }
            let start = head + Frame.headerLength
            if let cut = firstForeignByte(from: start + scanned, to: min(start + header.json, buffer.count)) {
                skip(cut - head)
                continue
            }
            scanned = min(header.json, buffer.count - start)
            let end = start + header.json + header.blob
            guard buffer.count >= end else { return nil }
            let middle = start + header.json
            let frame = Frame(
                kind: header.kind, session: header.session, request: header.request,
                json: Array(buffer[start..<middle]), blob: Array(buffer[middle..<end]))
            head = end
            scanned = 0
            return frame
        }
        return nil
    }

    private struct Header {
        let kind: Frame.Kind
        let session: UInt32
        let request: UInt64
        let json: Int
        let blob: Int
    }

    private mutating func skip(_ count: Int) {
        head += count
        skippedBytes += count
        scanned = 0
    }

    /// Moves to the next place where a magic number begins, as far as it was received. Returns false if there is none.
    private mutating func seekMagic() -> Bool {
        while head < buffer.count {
            guard let first = firstForeignByte(from: head, to: buffer.count) else {
                skip(buffer.count - head)
                return false
            }
            if first > head { skip(first - head) }
            let available = min(Frame.magic.count, buffer.count - head)
            if buffer[head..<head + available].elementsEqual(Frame.magic.prefix(available)) { return true }
            skip(1)
        }
        return false
    }

    /// Returns the header at `head`, or nil after skipping bytes that are no usable header.
    private mutating func readHeader() -> Header? {
        let sum: UInt32 = buffer.littleEndian(at: head + 28)
        guard FNV1a32.hash(buffer[head..<head + 28]) == sum else {
            skip(1)
            return nil
        }
        let json = Int(buffer.littleEndian(at: head + 20, as: UInt32.self))
        let blob = Int(buffer.littleEndian(at: head + 24, as: UInt32.self))
        guard buffer[head + 4] == Frame.version, let kind = Frame.Kind(rawValue: buffer[head + 5]),
            json + blob <= Frame.maximumLength
        else {
            refusedFrames += 1
            skip(Frame.headerLength)
            return nil
        }
        return Header(
            kind: kind, session: buffer.littleEndian(at: head + 8), request: buffer.littleEndian(at: head + 12),
            json: json, blob: blob)
    }

    private func firstForeignByte(from start: Int, to end: Int) -> Int? {
        guard start < end else { return nil }
        return buffer[start..<end].firstIndex(of: Frame.magic[0])
    }
}
