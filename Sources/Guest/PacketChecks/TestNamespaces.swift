import Datapath
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// The two ends of a flow: the namespaces of client and server, and the address at which the server is called.
package struct ThroughputPath: Sendable {
    package let client: String
    package let server: String
    package let address: IPv4Address

    package init(client: String, server: String, address: IPv4Address) {
        self.client = client
        self.server = server
        self.address = address
    }
}

/// Makes network namespaces for checks and measurements, and the interfaces between them.
package enum TestNamespaces {
    /// Makes a namespace that is bound to a path, so that programs can be started in it.
    package static func namespace(_ name: String) throws -> String {
        try AtomicFile.makeDirectories("/run/netns")
        let path = "/run/netns/bench-\(name)"
        // An earlier part of the bench may have left one.
        try? unmountFilesystem(path, lazily: true)
        unlink(path)
        try NetworkNamespace.create().bind(to: path)
        try NetworkNamespace(path: path).run { try NetlinkSocket().setUp("lo") }
        return path
    }

    /// Makes a veth whose far end becomes `eth0` of the other namespace, with an address of a /24.
    package static func connect(
        _ name: String, to path: String, _ address: IPv4Address, mtu: Int? = nil, _ netlink: borrowing NetlinkSocket
    ) throws {
        try netlink.createVeth(name, peer: "\(name)peer", mtu: mtu)
        try move("\(name)peer", to: path, address, netlink)
    }

    /// Connects two namespaces by their `eth0`.
    package static func wire(_ first: String, _ one: IPv4Address, _ second: String, _ other: IPv4Address) throws {
        let netlink = try NetlinkSocket()
        try netlink.createVeth("wire0", peer: "wire1")
        try move("wire0", to: first, one, netlink)
        try move("wire1", to: second, other, netlink)
    }

    package static func move(
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
