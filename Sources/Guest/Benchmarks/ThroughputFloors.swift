import Datapath
import LinuxKernel
import NetAddress
import Netlink
import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

/// What the kernel does without this datapath, between namespaces of the same node. These are the floors that
/// throughput is compared with.
enum ThroughputFloors {
    /// Two namespaces on a bridge, each connected by a veth.
    static func bridge() throws -> ThroughputPath {
        let first = try TestNamespaces.namespace("bridge-a")
        let second = try TestNamespaces.namespace("bridge-b")
        try NetworkNamespace(path: try TestNamespaces.namespace("bridge")).run {
            let netlink = try NetlinkSocket()
            try netlink.createBridge("br0")
            try netlink.setUp("br0")
            let bridge = try netlink.link(named: "br0").index
            for (name, path, address) in [
                ("a", first, IPv4Address(172, 16, 0, 1)), ("b", second, IPv4Address(172, 16, 0, 2)),
            ] {
                try TestNamespaces.connect(name, to: path, address, netlink)
                try netlink.changeLink(named: name, LinkChange(isUp: true, master: bridge))
            }
        }
        return ThroughputPath(client: first, server: second, address: IPv4Address(172, 16, 0, 2))
    }

    /// A namespace behind a router that masquerades by nf_tables, as iptables' MASQUERADE does.
    static func masquerade() throws -> ThroughputPath {
        let pod = try TestNamespaces.namespace("masq-pod")
        let world = try TestNamespaces.namespace("masq-world")
        let node = try TestNamespaces.namespace("masq")
        let inside = IPv4Address(172, 17, 0, 1)
        try router(
            node, (pod, inside, IPv4Address(172, 17, 0, 2)),
            (world, IPv4Address(172, 18, 0, 1), IPv4Address(172, 18, 0, 2)))
        guard let pods = IPv4CIDR(inside, prefixLength: 24) else { throw SelftestFailure(description: "no range") }
        try NetworkNamespace(path: node).run {
            try MasqueradeTable(name: "labrun_bench", source: pods.network, exclusions: [], interfaces: []).install()
        }
        return ThroughputPath(client: pod, server: world, address: IPv4Address(172, 18, 0, 2))
    }

    /// A namespace that forwards between two others.
    ///
    /// - Parameters:
    ///   - pod: The pod's namespace, the router's address there, and the pod's own. All that the pod sends goes to the
    ///     router.
    ///   - world: The same for the other side.
    static func router(
        _ path: String, _ pod: (path: String, router: IPv4Address, own: IPv4Address),
        _ world: (path: String, router: IPv4Address, own: IPv4Address)
    ) throws {
        try NetworkNamespace(path: path).run {
            let netlink = try NetlinkSocket()
            try Sysctl.set("net/ipv4/ip_forward", "1")
            for (name, end) in [("pod", pod), ("world", world)] {
                try TestNamespaces.connect(name, to: end.path, end.own, netlink)
                guard let range = IPv4CIDR(end.router, prefixLength: 24) else {
                    throw SelftestFailure(description: "no range")
                }
                try netlink.setUp(name)
                try netlink.addAddress(range, linkIndex: try netlink.link(named: name).index)
            }
        }
        for end in [pod, world] {
            try NetworkNamespace(path: end.path).run {
                let netlink = try NetlinkSocket()
                try netlink.replaceRoute(
                    Route(to: .any, via: end.router, linkIndex: try netlink.link(named: "eth0").index))
            }
        }
    }

    /// Two namespaces with nothing but a veth between them: the least that any datapath between namespaces does.
    static func veth() throws -> ThroughputPath {
        let first = try TestNamespaces.namespace("veth-a")
        let second = try TestNamespaces.namespace("veth-b")
        try TestNamespaces.wire(first, IPv4Address(172, 23, 0, 1), second, IPv4Address(172, 23, 0, 2))
        return ThroughputPath(client: first, server: second, address: IPv4Address(172, 23, 0, 2))
    }
}
