import CLibnl
public import LinuxKernel

/// The handle by which we know a discipline that this code made.
private let ownHandle: UInt32 = 0x1BA0 << 16
private let root: UInt32 = 0xFFFF_FFFF

extension NetlinkSocket {
    /// The kind of an interface's root queueing discipline, or nil if it has none of its own.
    public func rootQdiscKind(linkIndex: Int32) throws(SystemError) -> String? {
        try qdiscs(linkIndex: linkIndex).first { $0.parent == root }?.kind
    }

    /// Says whether the root is an fq that `replaceFairQueue` made.
    public func hasOwnFairQueue(linkIndex: Int32) throws(SystemError) -> Bool {
        try qdiscs(linkIndex: linkIndex).contains { $0.parent == root && $0.kind == "fq" && $0.handle == ownHandle }
    }

    /// Makes fq (tc-fq(8)), which holds packets until their departure time, the root discipline of an interface.
    ///
    /// Throws `ENOENT` if the kernel has no fq.
    public func replaceFairQueue(linkIndex: Int32) throws(SystemError) {
        let qdisc = try NetlinkObject("rtnl_qdisc_alloc", rtnl_qdisc_alloc())
        let pointer = qdisc.pointer
        rtnl_tc_set_ifindex(pointer, linkIndex)
        rtnl_tc_set_parent(pointer, root)
        rtnl_tc_set_handle(pointer, ownHandle)
        try request("rtnl_tc_set_kind", "fq") { rtnl_tc_set_kind(pointer, "fq") }
        try request("rtnl_qdisc_add", "fq on index \(linkIndex)") {
            rtnl_qdisc_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }
}
