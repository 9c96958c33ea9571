/// One message on a node's channel: a fixed header, a JSON part, and for bulk results a binary part.
///
/// Header, 32 bytes, little endian: magic (4), version (1), kind (1), zero (2), session (4), request (8), length of the
/// JSON part (4), length of the binary part (4), FNV-1a of the 28 bytes before it (4).
///
/// The first byte of the magic is 0xFF, which UTF-8 text never contains: a 0xFF inside a JSON part proves that the frame
/// was cut off and another one begins.
public struct Frame: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        case request = 1
        case reply = 2
        case event = 3
    }

    public static let version: UInt8 = 1
    public static let magic: [UInt8] = [0xFF, 0x6C, 0x62, 0xFE]
    public static let headerLength = 32
    /// Most bytes that the JSON and the binary part may have together.
    public static let maximumLength = 16 << 20

    public let kind: Kind
    /// Chosen by the host for every connection. 0: sent before a host said hello.
    public let session: UInt32
    /// Chosen by the host for every request and repeated by its reply; 0 in events.
    public let request: UInt64
    /// UTF-8 JSON of a `NodeRequest`, `NodeReply` or `NodeEvent`.
    public let json: [UInt8]
    /// Records of a `.probe` or `.sightings` reply, the agent's own bytes of an `.agentReply`; else empty.
    public let blob: [UInt8]

    public init(kind: Kind, session: UInt32, request: UInt64, json: [UInt8], blob: [UInt8] = []) {
        self.kind = kind
        self.session = session
        self.request = request
        self.json = json
        self.blob = blob
    }

    /// The frame as it goes over the channel; nil when it is longer than `maximumLength`.
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
        bytes.appendLittleEndian(Frame.checksum(bytes[...]))
        bytes.append(contentsOf: json)
        bytes.append(contentsOf: blob)
        return bytes
    }

    /// FNV-1a, 32 bit.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }
}

extension [UInt8] {
    mutating func appendLittleEndian<Value: FixedWidthInteger>(_ value: Value) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// The integer at `offset`; the caller has checked that it lies inside.
    func littleEndian<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type = Value.self) -> Value {
        withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
    }
}
