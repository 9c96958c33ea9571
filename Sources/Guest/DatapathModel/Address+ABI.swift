import CDatapathABI
import NetAddress

/// The address families of the maps' keys; the numbers are the ABI's, not the socket API's.
enum AddressFamily: UInt8 {
    case ipv4 = 1
    case ipv6 = 2
}

extension IPv4Address {
    /// The form that keys share with IPv6: the address in the first word, zeros after it.
    var abi: dp_address { dp_address(word: (networkByteOrder, 0, 0, 0)) }

    /// Nil for an address of another family.
    init?(abi: dp_address, family: UInt8) {
        guard AddressFamily(rawValue: family) == .ipv4 else { return nil }
        self.init(networkByteOrder: abi.word.0)
    }
}

extension MACAddress {
    typealias Octets = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

    var abi: Octets {
        func octet(_ shift: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: rawValue >> shift) }
        return (octet(40), octet(32), octet(24), octet(16), octet(8), octet(0))
    }

    init(abi: Octets) {
        let octets = [abi.0, abi.1, abi.2, abi.3, abi.4, abi.5]
        self.init(rawValue: octets.reduce(0) { $0 << 8 | UInt64($1) })
    }
}

extension IPv4CIDR {
    var abi: dp_range {
        dp_range(address: network.address.networkByteOrder, mask: mask.networkByteOrder)
    }
}
