import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// Services between real sockets, called from outside: the caller's kernel must take what the node sends it for answers
/// of the address that it called.
///
///     caller ─ eth0 [from_netdev, to_netdev] … stack … host [from_host] … one [from_container, to_container] ─ pod
///                                                  … eth1 [from_netdev, to_netdev] ─ pod of another node
enum NodePortWireTest {
    private static let secondAddress = IPv4Address(10, 1, 0, 11)

    /// Returns the problems found.
    static func problems() throws -> [String] {
        try NetworkNamespace.create().run { try runInNamespace() }
    }

    /// A socket that can be passed from the namespace's thread to another one.
    private final class Held: Sendable {
        let socket: TestSocket
        init(_ socket: consuming TestSocket) { self.socket = socket }
    }

    private static func runInNamespace() throws -> [String] {
        let caller = try NetworkNamespace.create()
        let remote = try NetworkNamespace.create()
        let pod = try NetworkNamespace.create()
        let netlink = try NetlinkSocket()
        try connect("eth0", TestNode.node, to: caller, TestNode.world, netlink)
        try connect("eth1", secondAddress, to: remote, TestNode.remotePod, netlink)
        var lxc = try EmbeddedObject.lxc.open()
        try lxc.load()
        var host = try EmbeddedObject.host.open()
        try WireNode.share(lxc, with: &host)
        try host.load()
        try TestServices.fill(lxc)
        try ServiceWireTest.connect(ServiceWireTest.pods[0], pod, lxc)
        try makeHost(host, netlink)
        try configure(host, netlink)
        var problems: [String] = []
        for (name, service, space, address, caller:seen) in [
            ("a pod of the node", TestServices.toPod, 0, TestNode.pod, caller: TestNode.world),
            ("own pods only", TestServices.toOwn, 0, TestNode.pod, caller: TestNode.world),
            ("a pod of another node", TestServices.toRemote, 1, TestNode.remotePod, caller: secondAddress),
        ] {
            let found =
                try space == 0
                ? exchange(service.port, caller, pod, address, expecting: seen)
                : exchange(service.port, caller, remote, address, expecting: seen)
            problems += found.map { "\(name): \($0)" }
        }
        for stream in [true, false] {
            let code = try refusal(caller, stream: stream)
            if code != ECONNREFUSED { problems.append("no backend, \(stream ? "TCP" : "UDP"): error \(code)") }
        }
        return problems
    }

    /// Sends a question and its answer, as datagrams and as a stream.
    private static func exchange(
        _ port: UInt16, _ caller: borrowing NetworkNamespace, _ server: borrowing NetworkNamespace,
        _ address: IPv4Address, expecting seen: IPv4Address
    ) throws -> [String] {
        var problems: [String] = []
        let bound = try server.run { Held(try .bound(address, TestServices.backendPort, stream: false)) }
        let asking = try caller.run {
            let socket = try TestSocket(stream: false)
            try socket.connect(to: TestNode.node, port)
            try socket.send("question")
            return Held(socket)
        }
        let datagram = try bound.socket.echo()
        if datagram.address != seen { problems.append("UDP: the server saw \(datagram.address)") }
        if try asking.socket.receive() != "question" { problems.append("UDP: another answer") }

        let listening = try server.run { Held(try .listening(address, TestServices.backendPort)) }
        let stream = try caller.run {
            let socket = try TestSocket(stream: true)
            try socket.connect(to: TestNode.node, port)
            return Held(socket)
        }
        let accepted = try listening.socket.accept()
        let peer = try accepted.peer()
        if peer.address != seen { problems.append("TCP: the server saw \(peer.address)") }
        try stream.socket.send("question")
        if try accepted.receive() != "question" { problems.append("TCP: another question") }
        try accepted.send("answer")
        if try stream.socket.receive() != "answer" { problems.append("TCP: another answer") }
        return problems
    }

    private static func refusal(_ caller: borrowing NetworkNamespace, stream: Bool) throws -> Int32 {
        try caller.run { () -> Int32 in
            do {
                let socket = try TestSocket(stream: stream)
                try socket.connect(to: TestNode.node, TestServices.withoutBackend.port)
                try socket.send("question")
                _ = try socket.receive()
                return 0
            } catch let error as SystemError {
                return error.code
            }
        }
    }

    // MARK: The node

    /// A device of the node, and what is at its other end.
    private static func connect(
        _ name: String, _ address: IPv4Address, to space: borrowing NetworkNamespace, _ other: IPv4Address,
        _ netlink: borrowing NetlinkSocket
    ) throws {
        try netlink.createVeth(name, peer: "eth0", peerNamespace: space.rawDescriptor)
        try netlink.setUp(name)
        let index = try netlink.link(named: name).index
        guard let network = IPv4CIDR(address, prefixLength: 24) else {
            throw SelftestFailure(description: "no address")
        }
        try netlink.addAddress(network, linkIndex: index)
        try netlink.replaceRoute(Route(to: IPv4CIDR(host: other), linkIndex: index))
        try space.run {
            let netlink = try NetlinkSocket()
            try netlink.setUp("eth0")
            let index = try netlink.link(named: "eth0").index
            try netlink.addAddress(IPv4CIDR(host: other), linkIndex: index)
            try netlink.replaceRoute(Route(to: network.network, linkIndex: index))
        }
    }

    /// Makes the device by which the stack reaches the node's pods.
    private static func makeHost(_ host: borrowing Object, _ netlink: borrowing NetlinkSocket) throws {
        try netlink.createVeth("host", mac: WireNode.hostDeviceMAC, peer: "hostpeer", peerMAC: TestNode.neighbourMAC)
        for name in ["host", "hostpeer"] { try netlink.setUp(name) }
        let index = try netlink.link(named: "host").index
        guard let pods = IPv4CIDR(TestNode.router, prefixLength: 24) else {
            throw SelftestFailure(description: "no range")
        }
        try netlink.addAddress(IPv4CIDR(host: TestNode.router), linkIndex: index)
        try netlink.replaceRoute(Route(to: pods.network, linkIndex: index, source: TestNode.router))
        try netlink.setPermanentNeighbour(TestNode.pod, mac: TestNode.neighbourMAC, linkIndex: index)
        try Sysctl.set("net/ipv4/ip_forward", "1")
        for name in ["all", "eth0", "eth1", "host"] { try Sysctl.set("net/ipv4/conf/\(name)/rp_filter", "0") }
        try TrafficControl.attach(host.program("from_host"), to: UInt32(index), .egress)
    }

    private static func configure(_ host: borrowing Object, _ netlink: borrowing NetlinkSocket) throws {
        guard var node = TestNode.config(.nodeServices) else { throw SelftestFailure(description: "no configuration") }
        node.routesNatively = true
        node.hostMAC = WireNode.hostDeviceMAC
        let config: Map<UInt32, ConfigEntry> = try host.map(MapName.config)
        try config.update(ConfigEntry(node), for: 0)
        let masquerade: Map<UInt32, NATConfigEntry> = try host.map(MapName.natConfig)
        try masquerade.update(NATConfigEntry(masquerades: true, podMTU: 1450), for: 0)
        let devices: Map<UInt32, DeviceEntry> = try host.map(MapName.devices)
        for (name, address) in [("eth0", TestNode.node), ("eth1", secondAddress)] {
            let index = UInt32(try netlink.link(named: name).index)
            try devices.update(DeviceEntry(address: address), for: index)
            try TrafficControl.attach(host.program("from_netdev"), to: index, .ingress)
            try TrafficControl.attach(host.program("to_netdev"), to: index, .egress)
        }
    }
}
