import CLibnl
public import LinuxKernel
public import NetAddress

extension NetlinkSocket {
    public func links() throws(SystemError) -> [Link] {
        try dump("rtnl_link_alloc_cache", { rtnl_link_alloc_cache(handle, AF_UNSPEC, $0) }, Link.init)
    }

    /// Throws `ENODEV` when there is no such interface.
    public func link(named name: String) throws(SystemError) -> Link {
        try link(index: 0, name: name, subject: name)
    }

    /// Throws `ENODEV` when there is no such interface.
    public func link(index: Int32) throws(SystemError) -> Link {
        try link(index: index, name: nil, subject: "index \(index)")
    }

    /// The interface, or nil when there is none of this name.
    public func findLink(named name: String) throws(SystemError) -> Link? {
        do {
            return try link(named: name)
        } catch  where error.code == ENODEV {
            return nil
        }
    }

    private func link(index: Int32, name: String?, subject: String) throws(SystemError) -> Link {
        var found: OpaquePointer?
        try request("rtnl_link_get_kernel", subject) { rtnl_link_get_kernel(handle, index, name, &found) }
        let object = try NetlinkObject("rtnl_link_get_kernel", found)
        guard let link = Link(object.pointer) else {
            throw SystemError(code: ENODEV, call: "rtnl_link_get_kernel", subject: subject)
        }
        return link
    }

    /// Creates a veth pair. Both ends are down.
    ///
    /// - Parameters:
    ///   - mtu: The MTU of both ends, in bytes of layer 3.
    ///   - peerNamespace: A file descriptor of the network namespace in which the peer is created, in one step; nil for
    ///     the present one.
    ///
    /// - Throws: `EEXIST` if either name is taken.
    public func createVeth(
        _ name: String, mac: MACAddress? = nil, peer peerName: String, peerMAC: MACAddress? = nil,
        peerNamespace: Int32? = nil, mtu: Int? = nil
    ) throws(SystemError) {
        let link = try NetlinkObject("rtnl_link_veth_alloc", rtnl_link_veth_alloc())
        // This reference is borrowed, and is released with the link.
        let peer = rtnl_link_veth_get_peer(link.pointer)
        defer { rtnl_link_put(peer) }
        rtnl_link_set_name(peer, peerName)
        if let peerNamespace { rtnl_link_set_ns_fd(peer, peerNamespace) }
        if let mtu { rtnl_link_set_mtu(peer, UInt32(mtu)) }
        if let peerMAC {
            let address = try NetlinkAddress(peerMAC)
            rtnl_link_set_addr(peer, address.pointer)
        }
        try add(link, name, mac: mac, mtu: mtu)
    }

    /// Creates a VXLAN interface in external mode (collect metadata): each packet carries its tunnel endpoints and its
    /// VNI.
    ///
    /// - Parameter port: The UDP destination port: Linux and Cilium use 8472, RFC 7348 uses 4789.
    public func createExternalVXLAN(
        _ name: String, port: UInt16, mac: MACAddress? = nil, mtu: Int? = nil
    ) throws(SystemError) {
        let link = try NetlinkObject("rtnl_link_vxlan_alloc", rtnl_link_vxlan_alloc())
        rtnl_link_vxlan_set_collect_metadata(link.pointer, 1)
        rtnl_link_vxlan_set_port(link.pointer, UInt32(port))
        rtnl_link_vxlan_set_learning(link.pointer, 0)
        try add(link, name, mac: mac, mtu: mtu)
    }

    /// Creates a VXLAN interface between two hosts.
    ///
    /// - Parameters:
    ///   - identifier: The VNI, of 24 bits.
    ///   - port: The UDP destination port.
    public func createVXLAN(
        _ name: String, identifier: UInt32, port: UInt16, local: IPv4Address, remote: IPv4Address, mtu: Int? = nil
    ) throws(SystemError) {
        let link = try NetlinkObject("rtnl_link_vxlan_alloc", rtnl_link_vxlan_alloc())
        let from = try NetlinkAddress(local)
        let to = try NetlinkAddress(remote)
        rtnl_link_vxlan_set_id(link.pointer, identifier)
        rtnl_link_vxlan_set_port(link.pointer, UInt32(port))
        rtnl_link_vxlan_set_local(link.pointer, from.pointer)
        rtnl_link_vxlan_set_group(link.pointer, to.pointer)
        try add(link, name, mac: nil, mtu: mtu)
    }

    /// Creates a Geneve interface in external mode, like `createExternalVXLAN`.
    ///
    /// - Parameter port: The UDP destination port, which is 6081 in RFC 8926.
    public func createExternalGeneve(
        _ name: String, port: UInt16, mac: MACAddress? = nil, mtu: Int? = nil
    ) throws(SystemError) {
        let link = try NetlinkObject("rtnl_link_geneve_alloc", rtnl_link_geneve_alloc())
        rtnl_link_geneve_set_flags(link.pointer, UInt8(RTNL_LINK_GENEVE_F_COLLECT_METADATA), 1)
        rtnl_link_geneve_set_port(link.pointer, UInt32(port))
        try add(link, name, mac: mac, mtu: mtu)
    }

    public func createBridge(_ name: String, mac: MACAddress? = nil, mtu: Int? = nil) throws(SystemError) {
        try create(kind: "bridge", name, mac: mac, mtu: mtu)
    }

    /// Creates an interface of a kind that needs no parameters: `bridge`, `dummy`, `ifb`, ….
    public func create(
        kind: String, _ name: String, mac: MACAddress? = nil, mtu: Int? = nil
    ) throws(SystemError) {
        let link = try NetlinkObject("rtnl_link_alloc", rtnl_link_alloc())
        try request("rtnl_link_set_type", kind) { rtnl_link_set_type(link.pointer, kind) }
        try add(link, name, mac: mac, mtu: mtu)
    }

    private func add(
        _ link: borrowing NetlinkObject, _ name: String, mac: MACAddress?, mtu: Int?
    ) throws(SystemError) {
        let pointer = link.pointer
        rtnl_link_set_name(pointer, name)
        if let mtu { rtnl_link_set_mtu(pointer, UInt32(mtu)) }
        if let mac {
            let address = try NetlinkAddress(mac)
            rtnl_link_set_addr(pointer, address.pointer)
        }
        try request("rtnl_link_add", name) { rtnl_link_add(handle, pointer, NLM_F_CREATE | NLM_F_EXCL) }
    }

    /// Deletes an interface, and with a veth its peer. Throws `ENODEV` if there is none.
    public func deleteLink(index: Int32) throws(SystemError) {
        let link = try NetlinkObject("rtnl_link_alloc", rtnl_link_alloc())
        rtnl_link_set_ifindex(link.pointer, index)
        let pointer = link.pointer
        try request("rtnl_link_delete", "index \(index)") { rtnl_link_delete(handle, pointer) }
    }

    /// Deletes an interface, and with a veth its peer. Throws `ENODEV` if there is none.
    public func deleteLink(named name: String) throws(SystemError) {
        try deleteLink(index: try link(named: name).index)
    }

    /// Changes properties of an interface in one request.
    public func changeLink(index: Int32, _ change: LinkChange) throws(SystemError) {
        let original = try NetlinkObject("rtnl_link_alloc", rtnl_link_alloc())
        let changes = try NetlinkObject("rtnl_link_alloc", rtnl_link_alloc())
        rtnl_link_set_ifindex(original.pointer, index)
        if let name = change.name { rtnl_link_set_name(changes.pointer, name) }
        switch change.isUp {
        case true?: rtnl_link_set_flags(changes.pointer, UInt32(IFF_UP.rawValue))
        case false?: rtnl_link_unset_flags(changes.pointer, UInt32(IFF_UP.rawValue))
        case nil: break
        }
        if let mtu = change.mtu { rtnl_link_set_mtu(changes.pointer, UInt32(mtu)) }
        if let mac = change.mac {
            let address = try NetlinkAddress(mac)
            rtnl_link_set_addr(changes.pointer, address.pointer)
        }
        if let master = change.master { rtnl_link_set_master(changes.pointer, master) }
        if let namespace = change.namespace { rtnl_link_set_ns_fd(changes.pointer, namespace) }
        let (before, after) = (original.pointer, changes.pointer)
        try request("rtnl_link_change", "index \(index)") { rtnl_link_change(handle, before, after, 0) }
    }

    /// Changes properties of an interface in one request. Throws `ENODEV` when there is none of this name.
    public func changeLink(named name: String, _ change: LinkChange) throws(SystemError) {
        let index = try link(named: name).index
        do {
            try changeLink(index: index, change)
        } catch {
            throw SystemError(code: error.code, call: error.call, subject: name)
        }
    }

    public func setUp(_ name: String) throws(SystemError) {
        try changeLink(named: name, LinkChange(isUp: true))
    }

    public func setDown(_ name: String) throws(SystemError) {
        try changeLink(named: name, LinkChange(isUp: false))
    }

    public func rename(_ name: String, to newName: String) throws(SystemError) {
        try changeLink(named: name, LinkChange(name: newName))
    }

    /// The counters of an interface. Throws `ENODEV` when there is none.
    public func statistics(of name: String) throws(SystemError) -> LinkStatistics {
        try link(named: name).statistics
    }
}
