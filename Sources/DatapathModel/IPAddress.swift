import CDatapathABI

/// The address family of the maps' keys; the numbers are the ABI's, not the socket API's.
public enum AddressFamily: UInt8, Sendable, Hashable, CaseIterable {
    case ipv4 = 1
    case ipv6 = 2

    /// Bytes of an address.
    public var byteCount: Int { self == .ipv4 ? 4 : 16 }
}

/// An IPv4 or IPv6 address as the datapath's maps hold it.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    public let family: AddressFamily
    /// In network byte order: four or sixteen bytes.
    public let bytes: [UInt8]

    /// Nil unless there are four or sixteen bytes.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: family = .ipv4
        case 16: family = .ipv6
        default: return nil
        }
        self.bytes = Array(bytes)
    }

    /// An IPv4 address from its four numbers.
    public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        family = .ipv4
        bytes = [first, second, third, fourth]
    }

    /// A dotted quad, strictly: four decimal numbers without leading zeros.
    public init?(ipv4 text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard part.utf8.allSatisfy({ (48...57).contains($0) }), part.count == 1 || part.first != "0",
                let number = UInt8(part)
            else { return nil }
            bytes.append(number)
        }
        self.init(bytes: bytes)
    }

    public var description: String {
        switch family {
        case .ipv4:
            bytes.map { String($0) }.joined(separator: ".")
        case .ipv6:
            stride(from: 0, to: 16, by: 2)
                .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) }
                .joined(separator: ":")
        }
    }

    /// The first word as the kernel stores it: the address bytes in memory order.
    var word: UInt32 { abi.word.0 }

    var abi: dp_address {
        var address = dp_address()
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: bytes) }
        return address
    }

    init(abi: dp_address, family: AddressFamily) {
        self.family = family
        bytes = withUnsafeBytes(of: abi) { Array($0.prefix(family.byteCount)) }
    }
}

/// An address range, for example `192.168.1.0/24`.
public struct IPPrefix: Sendable, Hashable, CustomStringConvertible {
    /// The first address: bits past the length are zero.
    public let address: IPAddress
    public let length: Int

    /// Nil when the length does not fit the family. Host bits are cleared.
    public init?(_ address: IPAddress, length: Int) {
        guard (0...address.family.byteCount * 8).contains(length) else { return nil }
        let masked = address.bytes.enumerated().map { index, byte in
            byte & Self.maskByte(index, length: length)
        }
        guard let first = IPAddress(bytes: masked) else { return nil }
        self.address = first
        self.length = length
    }

    /// The range of one address.
    public init(host address: IPAddress) {
        self.address = address
        length = address.family.byteCount * 8
    }

    /// `192.168.1.0/24`; nil for anything else, host bits are cleared.
    public init?(ipv4 text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(ipv4: parts[0]), let length = Int(parts[1]) else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }

    /// Whether the address lies in the range.
    public func contains(_ other: IPAddress) -> Bool {
        other.family == address.family && IPPrefix(other, length: length)?.address == address
    }

    /// The IPv4 mask as the kernel stores it.
    var maskWord: UInt32 {
        let bytes = (0..<4).map { Self.maskByte($0, length: length) }
        return IPAddress(bytes: bytes)?.word ?? 0
    }

    private static func maskByte(_ index: Int, length: Int) -> UInt8 {
        let bits = min(max(length - index * 8, 0), 8)
        return UInt8(truncatingIfNeeded: 0xFF00 >> bits)
    }
}

/// An Ethernet address.
public struct MACAddress: Sendable, Hashable, CustomStringConvertible {
    /// Six bytes.
    public let bytes: [UInt8]

    /// Nil unless there are six bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        self.bytes = Array(bytes)
    }

    /// `02:00:00:00:00:01`, in either case.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { $0.utf8.count == 2 && $0.first != "+" ? UInt8($0, radix: 16) : nil }
        guard parts.count == 6 else { return nil }
        self.init(bytes: bytes)
    }

    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    typealias Words = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

    var abi: Words { (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]) }

    init(abi: Words) {
        bytes = [abi.0, abi.1, abi.2, abi.3, abi.4, abi.5]
    }
}
