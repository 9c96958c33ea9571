import Glibc
import LinuxKernel
import NetAddress
import Netlink

/// The network namespace of the cloud's router or of one of its hosts, with a netlink socket in it. Only one queue uses
/// it at a time.
final class CloudNamespace: @unchecked Sendable {
    let name: String
    let namespace: NetworkNamespace
    let netlink: NetlinkSocket

    /// - Throws: `SystemError`; it is `EPERM` without CAP_SYS_ADMIN in the lab's user namespace.
    init(_ name: String) throws {
        self.name = name
        let made = try NetworkNamespace.create()
        // The socket stays in the namespace in which it was opened.
        netlink = try made.run { NetlinkBox(try NetlinkSocket()) }.take()
        namespace = made
        try setting("net/ipv6/conf/all/disable_ipv6", "1", isOptional: true)
        try setting("net/ipv6/conf/default/disable_ipv6", "1", isOptional: true)
        try netlink.changeLink(named: "lo", LinkChange(isUp: true))
    }

    /// Writes a setting below /proc/sys of the namespace.
    func setting(_ path: String, _ value: String, isOptional: Bool = false) throws {
        do {
            try namespace.run {
                try FileDescriptor.open("/proc/sys/\(path)", O_WRONLY).writeAll(Array((value + "\n").utf8))
            }
        } catch {
            if !isOptional { throw error }
        }
    }

    /// Makes a veth pair. One end is in this namespace, up and with an address; the other end is on a bridge of the
    /// lab.
    func join(
        bridge: Int32, lab: borrowing NetlinkSocket, port: CloudPort, interface: String, address: IPv4CIDR, mtu: Int
    ) throws {
        try lab.createVeth(
            port.tap, peer: interface, peerMAC: port.mac, peerNamespace: namespace.rawDescriptor, mtu: mtu)
        let index = try netlink.link(named: interface).index
        try netlink.addAddress(address, linkIndex: index)
        try netlink.changeLink(index: index, LinkChange(isUp: true))
        try lab.changeLink(named: port.tap, LinkChange(isUp: true, master: bridge))
    }
}

/// The point at which a part of the cloud is joined to a bridge. Its packets are captured there.
struct CloudPort: Sendable, Hashable {
    /// The part's name: `vpc-router`, or a host's name.
    let place: String
    /// The name of the veth's end that is on the bridge.
    let tap: String
    /// The hardware address of the veth's other end.
    let mac: MACAddress
    let address: IPv4Address
    let subnet: String

    /// The same as an interface of a node, the form in which captures take it.
    var nic: NICSpec {
        NICSpec(
            interfaceID: tap, node: place, tap: tap, mac: mac, address: address, subnet: subnet, groups: [],
            sourceDestinationCheck: false)
    }

    /// A locally administered hardware address that is derived from the IPv4 address, so that it is the same in every
    /// run.
    static func mac(of address: IPv4Address) -> MACAddress {
        MACAddress(rawValue: 0x0A01_0000_0000 | UInt64(address.rawValue))
    }

    /// The same for a bridge. It differs from the address of the router, which has the gateway's IPv4 address, too.
    static func bridgeMAC(of gateway: IPv4Address) -> MACAddress {
        MACAddress(rawValue: 0x0A02_0000_0000 | UInt64(gateway.rawValue))
    }
}

/// Hands a socket over from the thread that opened it to its owner.
private final class NetlinkBox: @unchecked Sendable {
    private var socket: NetlinkSocket?

    init(_ socket: consuming NetlinkSocket) { self.socket = consume socket }

    func take() throws(SystemError) -> NetlinkSocket {
        guard let socket = socket.take() else { throw SystemError(code: EBADF, call: "netlink") }
        return socket
    }
}
