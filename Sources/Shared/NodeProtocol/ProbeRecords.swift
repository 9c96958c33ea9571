/// The protocol of a probe by its IP protocol number.
public enum ProbeProtocolCode: UInt8, Sendable, Hashable, CaseIterable {
    case icmp = 1
    case tcp = 6
    case udp = 17
    /// A DNS query over UDP. This is no protocol's number.
    case dns = 253
    /// An HTTP request over TCP. This is no protocol's number.
    case http = 254

    /// The protocols whose receivers are the prober's own.
    public static let echoed: Set<ProbeProtocolCode> = [.icmp, .tcp, .udp]

    /// Reads `tcp`, `udp`, `icmp`, `dns` or `http`. Returns nil for any other name.
    public init?(name: String) {
        guard let code = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = code
    }

    public var name: String {
        switch self {
        case .icmp: "icmp"
        case .tcp: "tcp"
        case .udp: "udp"
        case .dns: "dns"
        case .http: "http"
        }
    }
}

/// What the sender of a probe saw. The host judges whether the source is right (`seenAddress`).
public enum ProbeOutcome: Sendable, Hashable {
    case open
    /// TCP: a reset answered the SYN. UDP: the target itself answered "port unreachable".
    case refused
    /// The connection was reset or ended before the answer.
    case reset
    /// ICMP destination unreachable, with the code of RFC 792 (0 net, 1 host, 3 port, 13 prohibited).
    case unreachable(code: UInt8)
    /// No answer came before the deadline. `error` is the `errno` of a send that the sender's own kernel refused, or 0.
    case timeout(error: UInt16)
    /// The share of packets without an answer, in percent, 1…99.
    case loss(percent: UInt8)
    /// It was never sent. `error` is the `errno` that prevented it, or 0 if it did not get its turn in time.
    case notMeasured(error: UInt16)
    /// The response code of RFC 1035. 0 stands for an answer without an address.
    case dnsFailure(code: UInt8)
    case http(status: UInt16)

    var code: (UInt8, UInt16) {
        switch self {
        case .open: (1, 0)
        case .refused: (2, 0)
        case .reset: (3, 0)
        case .unreachable(let code): (4, UInt16(code))
        case .timeout(let error): (5, error)
        case .loss(let percent): (6, UInt16(percent))
        case .notMeasured(let error): (7, error)
        case .dnsFailure(let code): (8, UInt16(code))
        case .http(let status): (9, status)
        }
    }

    init?(code: UInt8, argument: UInt16) {
        switch code {
        case 1: self = .open
        case 2: self = .refused
        case 3: self = .reset
        case 4: self = .unreachable(code: UInt8(truncatingIfNeeded: argument))
        case 5: self = .timeout(error: argument)
        case 6: self = .loss(percent: UInt8(truncatingIfNeeded: argument))
        case 7: self = .notMeasured(error: argument)
        case 8: self = .dnsFailure(code: UInt8(truncatingIfNeeded: argument))
        case 9: self = .http(status: argument)
        default: return nil
        }
    }
}

/// An IPv4 address and port as a packet's receiver saw them.
public struct SeenAddress: Sendable, Hashable, CustomStringConvertible {
    /// In host byte order: 10.0.0.1 is 0x0A000001. 0 means not known.
    public let address: UInt32
    /// The port, or the identifier of an ICMP echo.
    public let port: UInt16

    public init(address: UInt32, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// The dotted address.
    public var addressText: String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }
    public var description: String { "\(addressText):\(port)" }
}

/// One cell measured by one node.
public struct ProbeResult: Sendable, Hashable {
    /// `ProbeSource.index`
    public let sourceIndex: UInt32
    /// `ProbeTarget.index`
    public let targetIndex: UInt32
    public let `protocol`: ProbeProtocolCode
    public let outcome: ProbeOutcome
    /// The microseconds from the first byte sent to the answer (TCP: from the SYN to the echo). For a train of packets,
    /// it is the shortest.
    public let roundTripMicros: UInt32
    public let sent: UInt16
    public let answered: UInt16
    /// The sender's own port, or the identifier of an ICMP echo; 0 if it is not known.
    public let localPort: UInt16
    /// The source that the receiver saw, as its own answer says; nil if nothing answered. For ICMP echoes, which the
    /// target's kernel answers, see the target's sightings.
    public let seen: SeenAddress?
    /// `ProbeRequest.index`; nil for an echo.
    public let request: UInt32?

    public init(
        sourceIndex: UInt32, targetIndex: UInt32, protocol: ProbeProtocolCode, outcome: ProbeOutcome,
        roundTripMicros: UInt32, sent: UInt16, answered: UInt16, localPort: UInt16, seen: SeenAddress?,
        request: UInt32? = nil
    ) {
        self.request = request
        self.sourceIndex = sourceIndex
        self.targetIndex = targetIndex
        self.protocol = `protocol`
        self.outcome = outcome
        self.roundTripMicros = roundTripMicros
        self.sent = sent
        self.answered = answered
        self.localPort = localPort
        self.seen = seen
    }
}

/// A probe that reached a receiver of the node.
public struct Sighting: Sendable, Hashable {
    public let plan: UInt64
    public let sourceIndex: UInt32
    public let targetIndex: UInt32
    public let `protocol`: ProbeProtocolCode
    /// The probe's source.
    public let seen: SeenAddress
    /// The receiver's own address that it came to, in host byte order. It tells which endpoint of the node received it.
    public let receiver: UInt32

    public init(
        plan: UInt64, sourceIndex: UInt32, targetIndex: UInt32, protocol: ProbeProtocolCode, seen: SeenAddress,
        receiver: UInt32
    ) {
        self.plan = plan
        self.sourceIndex = sourceIndex
        self.targetIndex = targetIndex
        self.protocol = `protocol`
        self.seen = seen
        self.receiver = receiver
    }

    /// `receiver` as a dotted address.
    public var receiverText: String { SeenAddress(address: receiver, port: 0).addressText }
}

/// The binary part of a `.probe` reply: 8 bytes (record size, count), then 36 bytes for each record, in little endian.
public enum ProbeResults {
    static let recordLength = 36

    public static func encode(_ results: [ProbeResult]) -> [UInt8] {
        var bytes = recordHeader(length: recordLength, count: results.count)
        for result in results {
            let (code, argument) = result.outcome.code
            bytes.appendLittleEndian(result.sourceIndex)
            bytes.appendLittleEndian(result.targetIndex)
            bytes.append(result.protocol.rawValue)
            bytes.append(code)
            bytes.appendLittleEndian(argument)
            bytes.appendLittleEndian(result.roundTripMicros)
            bytes.appendLittleEndian(result.sent)
            bytes.appendLittleEndian(result.answered)
            bytes.appendLittleEndian(result.localPort)
            bytes.appendLittleEndian(result.seen?.port ?? 0)
            bytes.appendLittleEndian(result.seen?.address ?? 0)
            bytes.appendLittleEndian(UInt32(result.seen == nil ? 0 : 1))
            bytes.appendLittleEndian(result.request ?? .max)
        }
        return bytes
    }

    /// Returns nil if the bytes are no such records.
    public static func decode(_ bytes: [UInt8]) -> [ProbeResult]? {
        decodeRecords(bytes, length: recordLength) { offset in
            guard let code = ProbeProtocolCode(rawValue: bytes[offset + 8]),
                let outcome = ProbeOutcome(
                    code: bytes[offset + 9], argument: bytes.littleEndian(at: offset + 10))
            else { return nil }
            let seen = SeenAddress(
                address: bytes.littleEndian(at: offset + 24), port: bytes.littleEndian(at: offset + 22))
            let request: UInt32 = bytes.littleEndian(at: offset + 32)
            return ProbeResult(
                sourceIndex: bytes.littleEndian(at: offset), targetIndex: bytes.littleEndian(at: offset + 4),
                protocol: code, outcome: outcome, roundTripMicros: bytes.littleEndian(at: offset + 12),
                sent: bytes.littleEndian(at: offset + 16), answered: bytes.littleEndian(at: offset + 18),
                localPort: bytes.littleEndian(at: offset + 20),
                seen: bytes.littleEndian(at: offset + 28, as: UInt32.self) == 0 ? nil : seen,
                request: request == .max ? nil : request)
        }
    }
}

/// The binary part of a `.sightings` reply: 8 bytes (record size, count), then 28 bytes for each record, in little
/// endian.
public enum Sightings {
    static let recordLength = 28

    public static func encode(_ sightings: [Sighting]) -> [UInt8] {
        var bytes = recordHeader(length: recordLength, count: sightings.count)
        for sighting in sightings {
            bytes.appendLittleEndian(sighting.plan)
            bytes.appendLittleEndian(sighting.sourceIndex)
            bytes.appendLittleEndian(sighting.targetIndex)
            bytes.appendLittleEndian(sighting.seen.address)
            bytes.appendLittleEndian(sighting.seen.port)
            bytes.append(sighting.protocol.rawValue)
            bytes.append(0)
            bytes.appendLittleEndian(sighting.receiver)
        }
        return bytes
    }

    /// Returns nil if the bytes are no such records.
    public static func decode(_ bytes: [UInt8]) -> [Sighting]? {
        decodeRecords(bytes, length: recordLength) { offset in
            guard let code = ProbeProtocolCode(rawValue: bytes[offset + 22]) else { return nil }
            return Sighting(
                plan: bytes.littleEndian(at: offset), sourceIndex: bytes.littleEndian(at: offset + 8),
                targetIndex: bytes.littleEndian(at: offset + 12), protocol: code,
                seen: SeenAddress(
                    address: bytes.littleEndian(at: offset + 16), port: bytes.littleEndian(at: offset + 20)),
                receiver: bytes.littleEndian(at: offset + 24))
        }
    }
}

private func recordHeader(length: Int, count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + length * count)
    bytes.appendLittleEndian(UInt32(length))
    bytes.appendLittleEndian(UInt32(count))
    return bytes
}

private func decodeRecords<Record>(
    _ bytes: [UInt8], length: Int, _ read: (_ offset: Int) -> Record?
) -> [Record]? {
    guard bytes.count >= 8, bytes.littleEndian(at: 0, as: UInt32.self) == UInt32(length) else { return nil }
    let count = Int(bytes.littleEndian(at: 4, as: UInt32.self))
    guard bytes.count == 8 + count * length else { return nil }
    var records: [Record] = []
    records.reserveCapacity(count)
    for index in 0..<count {
        guard let record = read(8 + index * length) else { return nil }
        records.append(record)
    }
    return records
}
