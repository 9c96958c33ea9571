import Hashing

/// A message on a node's channel: a fixed header, a JSON part, and a binary part for bulk results.
///
/// The header has 32 bytes in little endian: magic number (4), version (1), kind (1), zero (2), session (4), request
/// (8), length of the JSON part (4), length of the binary part (4), FNV-1a of the 28 bytes before it (4).
///
/// The first byte of the magic number is 0xFF, which UTF-8 text never contains. A 0xFF inside a JSON part therefore
/// proves that the frame was cut off and another one begins.
public struct Frame: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        case request = 1
        case reply = 2
        case event = 3
    }

    public static let version: UInt8 = 1
    public static let magic: [UInt8] = [0xFF, 0x6C, 0x62, 0xFE]
    public static let headerLength = 32
    /// The most bytes that the JSON and the binary part may have together.
    public static let maximumLength = 16 << 20

    public let kind: Kind
    /// The host chooses it for every connection. 0 means that it was sent before a host said hello.
    public let session: UInt32
    /// The host chooses it for every request, and the reply repeats it. It is 0 in events.
    public let request: UInt64
    /// The UTF-8 JSON of a `NodeRequest`, `NodeReply` or `NodeEvent`.
    public let json: [UInt8]
    /// The records of a `.probe` or `.sightings` reply, or the agent's own bytes of an `.agentReply`; otherwise empty.
    public let blob: [UInt8]

    public init(kind: Kind, session: UInt32, request: UInt64, json: [UInt8], blob: [UInt8] = []) {
        self.kind = kind
        self.session = session
        self.request = request
        self.json = json
        self.blob = blob
    }

    /// The frame's bytes for the channel; nil if it is longer than `maximumLength`.
    public var encoded: [UInt8]? {
        guard json.count + blob.count <= Frame.maximumLength else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Frame.headerLength + json.count + blob.count)
        bytes.append(contentsOf: Frame.magic)
        bytes.append(Frame.version)
        bytes.append(kind.rawValue)
        bytes.appendLittleEndian(UInt16(0))
        bytes.appendLittleEndian(session)
        bytes.appendLittleEndian(request)
        bytes.appendLittleEndian(UInt32(json.count))
        bytes.appendLittleEndian(UInt32(blob.count))
        bytes.appendLittleEndian(FNV1a32.hash(bytes))
        bytes.append(contentsOf: json)
        bytes.append(contentsOf: blob)
        return bytes
    }
}

extension [UInt8] {
    mutating func appendLittleEndian<Value: FixedWidthInteger>(_ value: Value) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// Returns the integer at `offset`. The caller has checked that it lies inside.
    func littleEndian<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type = Value.self) -> Value {
        withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
    }
}
