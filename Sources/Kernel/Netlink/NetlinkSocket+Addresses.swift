import CLibnl
public import LinuxKernel
public import NetAddress

/// An IPv4 address of an interface.
public struct InterfaceAddress: Sendable, Hashable {
    public let linkIndex: Int32
    /// The address with the length of its on-link prefix.
    public let address: IPv4CIDR
    /// `RT_SCOPE_UNIVERSE` is 0, `RT_SCOPE_LINK` 253, `RT_SCOPE_HOST` 254.
    public let scope: UInt8
}

extension NetlinkSocket {
    /// All IPv4 addresses, or those of one interface.
    public func addresses(linkIndex: Int32? = nil) throws(SystemError) -> [InterfaceAddress] {
        try dump("rtnl_addr_alloc_cache", { rtnl_addr_alloc_cache(handle, $0) }) { entry in
            let index = rtnl_addr_get_ifindex(entry)
            guard rtnl_addr_get_family(entry) == AF_INET, linkIndex == nil || index == linkIndex,
                let local = ipv4Address(rtnl_addr_get_local(entry)),
                let address = IPv4CIDR(local, prefixLength: Int(rtnl_addr_get_prefixlen(entry)))
            else { return nil }
            return InterfaceAddress(
                linkIndex: index, address: address, scope: UInt8(truncatingIfNeeded: rtnl_addr_get_scope(entry)))
        }
    }

    /// Adds an address; succeeds when the interface has it already. The kernel adds the on-link route of its prefix.
    public func addAddress(_ address: IPv4CIDR, linkIndex: Int32) throws(SystemError) {
        let entry = try addressObject(address, linkIndex)
        let pointer = entry.pointer
        try request("rtnl_addr_add", address.description) {
            rtnl_addr_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }

    /// Throws `EADDRNOTAVAIL` when the interface does not have it.
    public func deleteAddress(_ address: IPv4CIDR, linkIndex: Int32) throws(SystemError) {
        let entry = try addressObject(address, linkIndex)
        let pointer = entry.pointer
        try request("rtnl_addr_delete", address.description) { rtnl_addr_delete(handle, pointer, 0) }
    }

    private func addressObject(_ address: IPv4CIDR, _ linkIndex: Int32) throws(SystemError) -> NetlinkObject {
        let entry = try NetlinkObject("rtnl_addr_alloc", rtnl_addr_alloc())
        let local = try NetlinkAddress(address)
        rtnl_addr_set_ifindex(entry.pointer, linkIndex)
        let pointer = entry.pointer
        try request("rtnl_addr_set_local", address.description) { rtnl_addr_set_local(pointer, local.pointer) }
        return entry
    }
}
