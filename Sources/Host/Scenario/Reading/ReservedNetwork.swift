import NetAddress

/// A network whose addresses no host has: RFC 6890, section 2.2.2, and RFC 5771 for multicast.
struct ReservedNetwork {
    let cidr: IPv4CIDR
    let name: String

    static let all = [
        ("0.0.0.0/8", "this network"), ("127.0.0.0/8", "loopback"), ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"), ("240.0.0.0/4", "reserved"),
    ].compactMap { text, name in IPv4CIDR(network: text).map { ReservedNetwork(cidr: $0, name: name) } }

    /// The reserved network that an address is in.
    static func of(_ address: IPv4Address) -> ReservedNetwork? { all.first { $0.cidr.contains(address) } }
}
