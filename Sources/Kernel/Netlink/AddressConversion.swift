import CLibnl
import LinuxKernel
import NetAddress

/// A libnl address that is released with its owner.
struct NetlinkAddress: ~Copyable {
    let pointer: OpaquePointer

    init(_ address: IPv4Address, prefixLength: Int = 32) throws(SystemError) {
        try self.init(family: AF_INET, octets: address.octets)
        nl_addr_set_prefixlen(pointer, Int32(prefixLength))
    }

    init(_ cidr: IPv4CIDR) throws(SystemError) {
        try self.init(cidr.address, prefixLength: cidr.prefixLength)
    }

    init(_ mac: MACAddress) throws(SystemError) {
        try self.init(family: AF_LLC, octets: mac.octets)
    }

    private init(family: Int32, octets: [UInt8]) throws(SystemError) {
        guard let built = nl_addr_build(family, octets, octets.count) else {
            throw SystemError(code: ENOMEM, call: "nl_addr_build")
        }
        pointer = built
    }

    deinit { nl_addr_put(pointer) }
}

private func octets(_ address: OpaquePointer) -> UnsafeBufferPointer<UInt8> {
    let bytes = nl_addr_get_binary_addr(address)?.assumingMemoryBound(to: UInt8.self)
    return UnsafeBufferPointer(start: bytes, count: Int(nl_addr_get_len(address)))
}

func ipv4Address(_ address: OpaquePointer?) -> IPv4Address? {
    address.flatMap { IPv4Address(octets: octets($0)) }
}

func ipv4CIDR(_ address: OpaquePointer?) -> IPv4CIDR? {
    guard let address else { return nil }
    let length = Int(nl_addr_get_prefixlen(address))
    // The default route's destination is an address of length zero.
    if nl_addr_get_len(address) == 0 { return IPv4CIDR(.any, prefixLength: length) }
    return IPv4Address(octets: octets(address)).flatMap { IPv4CIDR($0, prefixLength: length) }
}

func macAddress(_ address: OpaquePointer?) -> MACAddress? {
    address.flatMap { MACAddress(octets: octets($0)) }
}
