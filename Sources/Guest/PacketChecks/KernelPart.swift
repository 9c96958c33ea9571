import Datapath
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// A part of the kernel that a check needs and that a machine may lack. The kernels of labs' nodes have all of them.
package enum KernelPart: String, CaseIterable {
    case vxlan
    case geneve
    /// Source NAT by nf_tables.
    case masquerade
    /// The control group hierarchy of version 2.
    case controlGroups
    /// The queueing discipline that holds packets until their departure time.
    case fairQueue

    /// The part that makes the device of a tunnel's wire tests.
    init(_ tunnel: TunnelProtocol) {
        switch tunnel {
        case .vxlan: self = .vxlan
        case .geneve: self = .geneve
        }
    }

    /// Returns a sentence if the kernel lacks the part, or nil if it has it.
    ///
    /// The kernel is asked in a network namespace made for the question. Only errors that mean "no such thing" count.
    /// With any other error the check runs and fails with what it finds.
    package func lack() -> String? {
        do {
            try NetworkNamespace.create().run { try ask() }
            return nil
        } catch let error as SystemError where Self.means(nothing: error.code) {
            return "this kernel has no \(name)"
        } catch {
            return nil
        }
    }

    private func ask() throws {
        let netlink = try NetlinkSocket()
        switch self {
        case .vxlan: try netlink.createExternalVXLAN("asked", port: TunnelProtocol.vxlan.standardPort)
        case .geneve: try netlink.createExternalGeneve("asked", port: TunnelProtocol.geneve.standardPort)
        case .masquerade:
            try MasqueradeTable(
                name: "labrun_asked", source: IPv4CIDR(host: TestNode.pod), exclusions: [], interfaces: []
            ).install()
        case .fairQueue:
            try netlink.createVeth("asked", peer: "other")
            try netlink.replaceFairQueue(linkIndex: try netlink.link(named: "asked").index)
        case .controlGroups:
            // The superblock is the question's own and has no place in the tree, because it is unmounted at once.
            let place = "/run/labrun-asked"
            try AtomicFile.makeDirectories(place)
            defer { rmdir(place) }
            try mountFilesystem("cgroup2", on: place, type: "cgroup2")
            try unmountFilesystem(place)
        }
    }

    private var name: String {
        switch self {
        case .vxlan, .geneve: "\(rawValue) devices"
        case .masquerade: "nf_tables masquerade"
        case .controlGroups: "cgroup2 file system"
        case .fairQueue: "fq"
        }
    }

    /// Whether an error says that the kernel has no such thing, and not only that it is unavailable at the moment.
    static func means(nothing code: Int32) -> Bool {
        [EOPNOTSUPP, ENODEV, ENOENT, EPROTONOSUPPORT, ENOSYS].contains(code)
    }
}
