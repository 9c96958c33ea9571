import CLibnl
public import LinuxKernel
public import NetAddress

extension NetlinkSocket {
    // linux/if_link.h
    private static let portAnswersARP: Int32 = 12  // IFLA_BRPORT_PROXYARP_WIFI
    private static let protocolInformation: Int32 = 12 | 0x8000  // IFLA_PROTINFO, nested

    /// Makes the bridge answer ARP requests for hosts behind a port, if it has permanent neighbour entries for them.
    /// Requests for other hosts are still flooded.
    ///
    /// - Parameter index: The index of the interface that is the port.
    ///
    /// - Throws: `EOPNOTSUPP` or `EINVAL` if it is on no bridge.
    public func setBridgePort(index: Int32, answersARP: Bool) throws(SystemError) {
        guard let message = nlmsg_alloc_simple(Int32(RTM_SETLINK), 0) else {
            throw SystemError(code: ENOMEM, call: "nlmsg_alloc")
        }
        var header = ifinfomsg()
        header.ifi_family = UInt8(AF_BRIDGE)
        header.ifi_index = index
        nlmsg_append(message, &header, MemoryLayout<ifinfomsg>.size, Int32(NLMSG_ALIGNTO))
        let nest = nla_nest_start(message, Self.protocolInformation)
        nla_put_u8(message, Self.portAnswersARP, answersARP ? 1 : 0)
        nla_nest_end(message, nest)
        // The call frees the message in any case.
        try request("RTM_SETLINK", "bridge port \(index)") { nl_send_sync(handle, message) }
    }

    /// Adds a static entry to a bridge's forwarding table: the host is behind the port. It succeeds if the entry
    /// exists.
    public func addForwardingEntry(_ mac: MACAddress, port: Int32) throws(SystemError) {
        let entry = try NetlinkObject("rtnl_neigh_alloc", rtnl_neigh_alloc())
        let lower = try NetlinkAddress(mac)
        rtnl_neigh_set_family(entry.pointer, AF_BRIDGE)
        rtnl_neigh_set_ifindex(entry.pointer, port)
        rtnl_neigh_set_lladdr(entry.pointer, lower.pointer)
        rtnl_neigh_set_flags(entry.pointer, UInt32(NTF_MASTER))
        rtnl_neigh_set_state(entry.pointer, NUD_NOARP)
        let pointer = entry.pointer
        try request("rtnl_neigh_add", "\(mac) on port \(port)") {
            rtnl_neigh_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }
}
