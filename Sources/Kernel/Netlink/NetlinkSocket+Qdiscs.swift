import CLibnl
public import LinuxKernel

/// A queueing discipline on an interface.
public struct Qdisc: Sendable, Equatable {
    public let linkIndex: Int32
    /// `noqueue`, `pfifo_fast`, `clsact`, `netem`…
    public let kind: String
    public let handle: UInt32
    /// `TC_H_ROOT` is 0xFFFFFFFF, `TC_H_CLSACT` 0xFFFFFFF1.
    public let parent: UInt32
    /// Set when the kind is netem.
    public let netem: Netem?
    /// The number of packets that it has let through.
    public let packets: UInt64
    /// The number of packets that it has dropped.
    public let drops: UInt64
}

extension NetlinkSocket {
    /// All queueing disciplines, or those of one interface.
    public func qdiscs(linkIndex: Int32? = nil) throws(SystemError) -> [Qdisc] {
        try dump("rtnl_qdisc_alloc_cache", { rtnl_qdisc_alloc_cache(handle, $0) }) { entry in
            let index = rtnl_tc_get_ifindex(entry)
            guard linkIndex == nil || index == linkIndex, let kind = rtnl_tc_get_kind(entry) else { return nil }
            let name = String(cString: kind)
            return Qdisc(
                linkIndex: index, kind: name, handle: rtnl_tc_get_handle(entry), parent: rtnl_tc_get_parent(entry),
                netem: name == "netem" ? Netem(entry) : nil, packets: rtnl_tc_get_stat(entry, RTNL_TC_PACKETS),
                drops: rtnl_tc_get_stat(entry, RTNL_TC_DROPS))
        }
    }

    /// Makes a netem with exactly these parameters the root queueing discipline of an interface. An earlier netem is
    /// removed first, along with the packets that it held. For some microseconds in between, packets pass unimpaired.
    ///
    /// Throws `ENOENT` if the kernel has no netem, and `EINVAL` for reordering without a delay. `/proc/net/psched` must
    /// be readable for the tick length.
    public func replaceNetem(_ netem: Netem, linkIndex: Int32) throws(SystemError) {
        let qdisc = try rootQdisc(linkIndex)
        let pointer = qdisc.pointer
        // A change would keep whatever it does not mention, and libnl does not mention zeros. A second netem beside the
        // first is refused if either duplicates packets (check_netem_in_tree, net/sched/sch_netem.c). So the first one
        // is removed.
        if try self.netem(linkIndex: linkIndex) != nil { try deleteRootQdisc(linkIndex: linkIndex) }
        rtnl_tc_set_handle(pointer, 1 << 16)
        try request("rtnl_tc_set_kind", "netem") { rtnl_tc_set_kind(pointer, "netem") }
        rtnl_netem_set_limit(pointer, Int32(clamping: netem.limit))
        rtnl_netem_set_delay(pointer, Int32(clamping: netem.delay))
        rtnl_netem_set_jitter(pointer, Int32(clamping: netem.jitter))
        rtnl_netem_set_loss(pointer, kernelProbability(netem.loss))
        rtnl_netem_set_duplicate(pointer, kernelProbability(netem.duplication))
        if netem.corruption > 0 {
            rtnl_netem_set_corruption_probability(pointer, kernelProbability(netem.corruption))
        }
        if netem.reordering > 0 {
            // Without a gap the kernel does not reorder, whatever probability it has kept. A gap of 1 makes every
            // packet a candidate.
            rtnl_netem_set_gap(pointer, 1)
            rtnl_netem_set_reorder_probability(pointer, kernelProbability(netem.reordering))
        }
        try request("rtnl_qdisc_add", "netem on index \(linkIndex)") {
            rtnl_qdisc_add(handle, pointer, NLM_F_CREATE | NLM_F_REPLACE)
        }
    }

    /// The root queueing discipline of an interface. The kernel lists none for an interface that was never up, whose
    /// root is `noop` (tc_qdisc_dump_ignore, net/sched/sch_api.c).
    public func rootQdisc(linkIndex: Int32) throws(SystemError) -> Qdisc? {
        try qdiscs(linkIndex: linkIndex).first { $0.parent == TC_H_ROOT }
    }

    /// The parameters of the root netem, nil when the root is something else.
    public func netem(linkIndex: Int32) throws(SystemError) -> Netem? {
        try rootQdisc(linkIndex: linkIndex)?.netem
    }

    /// Deletes the root queueing discipline. The kernel then puts its default one back.
    ///
    /// Throws `ENOENT` if the root is the default one already.
    public func deleteRootQdisc(linkIndex: Int32) throws(SystemError) {
        let qdisc = try rootQdisc(linkIndex)
        let pointer = qdisc.pointer
        try request("rtnl_qdisc_delete", "root of index \(linkIndex)") { rtnl_qdisc_delete(handle, pointer) }
    }

    /// Adds the classifier-only discipline that BPF programs are attached to. It succeeds if that exists.
    public func ensureClsact(linkIndex: Int32) throws(SystemError) {
        let qdisc = try NetlinkObject("rtnl_qdisc_alloc", rtnl_qdisc_alloc())
        let pointer = qdisc.pointer
        rtnl_tc_set_ifindex(pointer, linkIndex)
        rtnl_tc_set_parent(pointer, 0xFFFF_FFF1)
        rtnl_tc_set_handle(pointer, 0xFFFF_0000)
        try request("rtnl_tc_set_kind", "clsact") { rtnl_tc_set_kind(pointer, "clsact") }
        do {
            try request("rtnl_qdisc_add", "clsact on index \(linkIndex)") {
                rtnl_qdisc_add(handle, pointer, NLM_F_CREATE | NLM_F_EXCL)
            }
        } catch  where error.code == EEXIST {}
    }

    private func rootQdisc(_ linkIndex: Int32) throws(SystemError) -> NetlinkObject {
        let qdisc = try NetlinkObject("rtnl_qdisc_alloc", rtnl_qdisc_alloc())
        rtnl_tc_set_ifindex(qdisc.pointer, linkIndex)
        rtnl_tc_set_parent(qdisc.pointer, TC_H_ROOT)
        return qdisc
    }
}

extension Netem {
    init(_ qdisc: OpaquePointer) {
        self.init(
            delay: UInt32(clamping: rtnl_netem_get_delay(qdisc)),
            jitter: UInt32(clamping: rtnl_netem_get_jitter(qdisc)),
            loss: fraction(rtnl_netem_get_loss(qdisc)),
            corruption: fraction(rtnl_netem_get_corruption_probability(qdisc)),
            duplication: fraction(rtnl_netem_get_duplicate(qdisc)),
            reordering: rtnl_netem_get_gap(qdisc) > 0 ? fraction(rtnl_netem_get_reorder_probability(qdisc)) : 0,
            limit: UInt32(clamping: rtnl_netem_get_limit(qdisc)))
    }
}

private let TC_H_ROOT: UInt32 = 0xFFFF_FFFF

/// Converts a fraction, 0…1, to the scale of `struct tc_netem_qopt`, where all 32 bits set mean certainty.
private func kernelProbability(_ fraction: Double) -> Int32 {
    let scaled = (min(max(fraction, 0), 1) * Double(UInt32.max)).rounded()
    return Int32(bitPattern: UInt32(scaled))
}

private func fraction(_ probability: Int32) -> Double {
    // The kernel does not report what was never set, and libnl then returns -NLE_NOATTR.
    probability == -NLE_NOATTR ? 0 : Double(UInt32(bitPattern: probability)) / Double(UInt32.max)
}
