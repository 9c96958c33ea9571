/// An IPv4 address with a prefix length, such as `10.0.0.0/24` (RFC 4632).
///
/// Host bits are kept: `10.0.0.1/24` names an interface's address as well as its network. Use `network` where only the
/// prefix counts.
public struct IPv4CIDR: Sendable, Hashable, Comparable, LosslessStringConvertible {
    public let address: IPv4Address
    /// 0…32
    public let prefixLength: Int

    /// - Returns: Nil when the prefix length is outside 0…32.
    public init?(_ address: IPv4Address, prefixLength: Int) {
        guard (0...32).contains(prefixLength) else { return nil }
        self.address = address
        self.prefixLength = prefixLength
    }

    /// The prefix that holds a single address: a /32.
    public init(host address: IPv4Address) {
        self.address = address
        prefixLength = 32
    }

    /// Reads `a.b.c.d/n`. The length is required, and neither it nor an octet may begin with a needless zero.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(String(parts[0])),
            let length = decimal(Array(parts[1].utf8), below: 33)
        else { return nil }
        self.address = address
        prefixLength = Int(length)
    }

    /// A network such as `10.0.0.0/16`. Nil when the text is no prefix, or has bits set beyond the prefix length.
    public init?(network text: String) {
        guard let prefix = IPv4CIDR(text), prefix.network == prefix else { return nil }
        self = prefix
    }

    /// The netmask, for example 255.255.255.0.
    public var mask: IPv4Address {
        IPv4Address(rawValue: prefixLength == 0 ? 0 : UInt32.max << UInt32(32 - prefixLength))
    }

    /// The same prefix with the host bits cleared.
    public var network: IPv4CIDR {
        IPv4CIDR(unchecked: IPv4Address(rawValue: address.rawValue & mask.rawValue), prefixLength)
    }

    /// The last address of the prefix.
    public var broadcast: IPv4Address {
        IPv4Address(rawValue: address.rawValue | ~mask.rawValue)
    }

    public func contains(_ other: IPv4Address) -> Bool {
        (other.rawValue ^ address.rawValue) & mask.rawValue == 0
    }

    /// Whether the whole of the other prefix lies in this one.
    public func contains(_ other: IPv4CIDR) -> Bool {
        other.prefixLength >= prefixLength && contains(other.address)
    }

    /// Whether any address lies in both prefixes.
    public func overlaps(_ other: IPv4CIDR) -> Bool { contains(other) || other.contains(self) }

    /// The address at an offset from the network's first; nil beyond the prefix.
    public func host(_ offset: UInt32) -> IPv4Address? {
        guard offset <= ~mask.rawValue else { return nil }
        return IPv4Address(rawValue: network.address.rawValue + offset)
    }

    public var description: String { "\(address)/\(prefixLength)" }

    public static func < (left: IPv4CIDR, right: IPv4CIDR) -> Bool {
        (left.address, left.prefixLength) < (right.address, right.prefixLength)
    }

    /// `0.0.0.0/0`
    public static let any = IPv4CIDR(unchecked: .any, 0)

    private init(unchecked address: IPv4Address, _ prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }
}
