import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// A process's end of a stream: where it runs, and where its server is called.
struct ThroughputPath: Sendable {
    let client: String
    let server: String
    let address: IPv4Address
}

/// What the kernel does without this datapath, between namespaces of the same node: the floors that throughput is held to.
enum ThroughputFloors {
    /// Two namespaces on a bridge, each by a veth.
    static func bridge() throws -> ThroughputPath {
        let first = try namespace("bridge-a")
        let second = try namespace("bridge-b")
        try NetworkNamespace(path: try namespace("bridge")).run {
            let netlink = try NetlinkSocket()
            try netlink.createBridge("br0")
            try netlink.setUp("br0")
            let bridge = try netlink.link(named: "br0").index
            for (name, path, address) in [
                ("a", first, IPv4Address(172, 16, 0, 1)), ("b", second, IPv4Address(172, 16, 0, 2)),
            ] {
                try connect(name, to: path, address, netlink)
                try netlink.changeLink(named: name, LinkChange(isUp: true, master: bridge))
            }
        }
        return ThroughputPath(client: first, server: second, address: IPv4Address(172, 16, 0, 2))
    }

    /// A namespace behind a router that masquerades by nf_tables, as iptables' MASQUERADE does.
    static func masquerade() throws -> ThroughputPath {
        let pod = try namespace("masq-pod")
        let world = try namespace("masq-world")
        let node = try namespace("masq")
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
    ///   - pod: its namespace, the router's address there, its own; all that it sends goes to the router.
    ///   - world: likewise.
    static func router(
        _ path: String, _ pod: (path: String, router: IPv4Address, own: IPv4Address),
        _ world: (path: String, router: IPv4Address, own: IPv4Address)
    ) throws {
        try NetworkNamespace(path: path).run {
            let netlink = try NetlinkSocket()
            try Sysctl.set("net/ipv4/ip_forward", "1")
            for (name, end) in [("pod", pod), ("world", world)] {
                try connect(name, to: end.path, end.own, netlink)
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

    /// Two namespaces with nothing but a veth between them: the least that any datapath between namespaces passes.
    static func veth() throws -> ThroughputPath {
        let first = try namespace("veth-a")
        let second = try namespace("veth-b")
        try wire(first, IPv4Address(172, 23, 0, 1), second, IPv4Address(172, 23, 0, 2))
        return ThroughputPath(client: first, server: second, address: IPv4Address(172, 23, 0, 2))
    }

    /// A namespace bound to a path, so that programs can be started in it.
    static func namespace(_ name: String) throws -> String {
        try AtomicFile.makeDirectories("/run/netns")
        let path = "/run/netns/bench-\(name)"
        // Of a part of the bench that is over.
        try? unmountFilesystem(path, lazily: true)
        unlink(path)
        try NetworkNamespace.create().bind(to: path)
        try NetworkNamespace(path: path).run { try NetlinkSocket().setUp("lo") }
        return path
    }

    /// A veth whose far end becomes `eth0` of the other namespace, with an address of a /24.
    static func connect(
        _ name: String, to path: String, _ address: IPv4Address, mtu: Int? = nil, _ netlink: borrowing NetlinkSocket
    ) throws {
        try netlink.createVeth(name, peer: "\(name)peer", mtu: mtu)
        try move("\(name)peer", to: path, address, netlink)
    }

    /// `eth0` of two namespaces, connected.
    static func wire(_ first: String, _ one: IPv4Address, _ second: String, _ other: IPv4Address) throws {
        let netlink = try NetlinkSocket()
        try netlink.createVeth("wire0", peer: "wire1")
        try move("wire0", to: first, one, netlink)
        try move("wire1", to: second, other, netlink)
    }

    static func move(
        _ name: String, to path: String, _ address: IPv4Address, _ netlink: borrowing NetlinkSocket
    ) throws {
        guard let range = IPv4CIDR(address, prefixLength: 24) else { throw SelftestFailure(description: "no range") }
        let namespace = try NetworkNamespace(path: path)
        try netlink.changeLink(named: name, LinkChange(name: "eth0", namespace: namespace.rawDescriptor))
        try namespace.run {
            let netlink = try NetlinkSocket()
            for name in ["lo", "eth0"] { try netlink.setUp(name) }
            try netlink.addAddress(range, linkIndex: try netlink.link(named: "eth0").index)
        }
    }
}
