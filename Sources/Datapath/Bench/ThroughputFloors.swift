import LinuxKernel
import NetAddress
import Netlink

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
        let inside = IPv4Address(172, 17, 0, 1)
        let outside = IPv4Address(172, 18, 0, 1)
        guard let pods = IPv4CIDR(inside, prefixLength: 24), let net = IPv4CIDR(outside, prefixLength: 24) else {
            throw SelftestFailure(description: "no range")
        }
        try NetworkNamespace(path: try namespace("masq")).run {
            let netlink = try NetlinkSocket()
            try Sysctl.set("net/ipv4/ip_forward", "1")
            try connect("pod", to: pod, IPv4Address(172, 17, 0, 2), netlink)
            try connect("world", to: world, IPv4Address(172, 18, 0, 2), netlink)
            for (name, address) in [("pod", pods), ("world", net)] {
                try netlink.setUp(name)
                try netlink.addAddress(address, linkIndex: try netlink.link(named: name).index)
            }
            try MasqueradeTable(name: "labrun_bench", source: pods.network, exclusions: [], interfaces: []).install()
        }
        try NetworkNamespace(path: pod).run {
            let netlink = try NetlinkSocket()
            try netlink.replaceRoute(
                Route(to: .any, via: inside, linkIndex: try netlink.link(named: "eth0").index))
        }
        return ThroughputPath(client: pod, server: world, address: IPv4Address(172, 18, 0, 2))
    }

    /// A namespace bound to a path, so that programs can be started in it.
    static func namespace(_ name: String) throws -> String {
        try AtomicFile.makeDirectories("/run/netns")
        let path = "/run/netns/bench-\(name)"
        try NetworkNamespace.create().bind(to: path)
        try NetworkNamespace(path: path).run { try NetlinkSocket().setUp("lo") }
        return path
    }

    /// A veth whose far end becomes `eth0` of the other namespace, with an address of a /24.
    static func connect(
        _ name: String, to path: String, _ address: IPv4Address, _ netlink: borrowing NetlinkSocket
    ) throws {
        try netlink.createVeth(name, peer: "\(name)peer")
        try move("\(name)peer", to: path, address, netlink)
    }

    static func move(
        _ name: String, to path: String, _ address: IPv4Address, _ netlink: borrowing NetlinkSocket
    ) throws {
        guard let range = IPv4CIDR(address, prefixLength: 24) else { throw SelftestFailure(description: "no range") }
        let namespace = try NetworkNamespace(path: path)
        try netlink.changeLink(named: name, LinkChange(name: "eth0", namespace: namespace.rawDescriptor))
        try namespace.run {
            let netlink = try NetlinkSocket()
            try netlink.setUp("eth0")
            try netlink.addAddress(range, linkIndex: try netlink.link(named: "eth0").index)
        }
    }
}
