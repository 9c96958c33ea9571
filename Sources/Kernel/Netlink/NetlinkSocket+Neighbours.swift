import CLibnl
public import LinuxKernel
public import NetAddress

/// An entry of the IPv4 neighbour table.
public struct Neighbour: Sendable, Hashable {
    public let linkIndex: Int32
    public let address: IPv4Address
    /// Nil while the address is being resolved, or if that has failed.
    public let mac: MACAddress?
    /// The entry was set by hand and never expires (`NUD_PERMANENT`).
    public let isPermanent: Bool

    public init(linkIndex: Int32, address: IPv4Address, mac: MACAddress?, isPermanent: Bool = true) {
        self.linkIndex = linkIndex
        self.address = address
        self.mac = mac
        self.isPermanent = isPermanent
    }
}

extension NetlinkSocket {
    /// The IPv4 neighbours of all interfaces or of one.
    public func neighbours(linkIndex: Int32? = nil) throws(SystemError) -> [Neighbour] {
        try dump("rtnl_neigh_alloc_cache", { rtnl_neigh_alloc_cache(handle, $0) }) { entry in
            let index = rtnl_neigh_get_ifindex(entry)
            guard linkIndex == nil || index == linkIndex, let address = ipv4Address(rtnl_neigh_get_dst(entry)) else {
                return nil
            }
            return Neighbour(
                linkIndex: index, address: address, mac: macAddress(rtnl_neigh_get_lladdr(entry)),
                isPermanent: rtnl_neigh_get_state(entry) & NUD_PERMANENT != 0)
        }
    }

    /// Adds a permanent entry, or makes the present one permanent.
    public func setPermanentNeighbour(
        _ address: IPv4Address, mac: MACAddress, linkIndex: Int32
    ) throws(SystemError) {
        let entry = try neighbourObject(address, linkIndex)
        let lower = try NetlinkAddress(mac)
        rtnl_neigh_set_lladdr(entry.pointer, lower.pointer)
        rtnl_neigh_set_state(entry.pointer, NUD_PERMANENT)
        let pointer = entry.pointer
        try request("rtnl_neigh_add", address.description) {
            rtnl_neigh_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }

    /// Throws `ENOENT` when there is no such entry.
    public func deleteNeighbour(_ address: IPv4Address, linkIndex: Int32) throws(SystemError) {
        let entry = try neighbourObject(address, linkIndex)
        let pointer = entry.pointer
        try request("rtnl_neigh_delete", address.description) { rtnl_neigh_delete(handle, pointer, 0) }
    }

    private func neighbourObject(_ address: IPv4Address, _ linkIndex: Int32) throws(SystemError) -> NetlinkObject {
        let entry = try NetlinkObject("rtnl_neigh_alloc", rtnl_neigh_alloc())
        let destination = try NetlinkAddress(address)
        rtnl_neigh_set_ifindex(entry.pointer, linkIndex)
        rtnl_neigh_set_family(entry.pointer, AF_INET)
        rtnl_neigh_set_dst(entry.pointer, destination.pointer)
        return entry
    }
}
