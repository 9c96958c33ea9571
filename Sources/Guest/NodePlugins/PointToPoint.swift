import CNI
import Hashing
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// `labrun-ptp`, in the manner of the reference plugins' ptp: a veth, an address of the configuration's `subnet`, and
/// on the node a route to it. It knows no policies, no services and no other nodes.
struct PointToPoint: NetworkPlugin {
    static let type = "labrun-ptp"
    private static let state = "/run/labrun/ptp"
    /// The pod's gateway: every veth's end on the node has it, and the node's kernel answers for it.
    static let gateway = IPv4Address(169, 254, 1, 1)

    let version: CNIVersion
    let subnet: IPv4CIDR
    /// The host part of the first address that is given to a pod.
    let first: UInt32
    let mtu: Int?

    init(_ configuration: CNIConfiguration) throws {
        version = configuration.version
        let text = configuration.document["subnet"]?.text ?? ""
        guard let subnet = IPv4CIDR(text)?.network, (8...30).contains(subnet.prefixLength) else {
            throw CNIError(.invalidConfiguration, "subnet is no address range", details: text)
        }
        let start = configuration.document["rangeStart"]?.text
        let address = start.map { IPv4Address($0) } ?? subnet.host(1)
        guard let address, subnet.contains(address), address != subnet.address else {
            throw CNIError(.invalidConfiguration, "rangeStart is no address of \(subnet)", details: start ?? "")
        }
        self.subnet = subnet
        first = address.rawValue - subnet.address.rawValue
        mtu = configuration.document["mtu"]?.integerValue.map { Int(clamping: $0) }
    }

    /// The addresses in the order in which they are given. The range's last one is left out: it is the broadcast
    /// address.
    var addresses: some Sequence<IPv4Address> {
        let last = ~subnet.mask.rawValue
        return (first..<max(first, last)).lazy.map { [base = subnet.address.rawValue] in
            IPv4Address(rawValue: base + $0)
        }
    }

    func add(_ environment: CNIEnvironment) throws -> CNIResult {
        try delete(environment)
        let leases = try Leases(Self.state)
        let owner = Leases.owner(environment)
        guard let address = try addresses.first(where: { try leases.take($0.description, for: owner) }) else {
            throw CNIError(.addressesExhausted, "no free address", details: subnet.description)
        }
        do {
            return try connect(environment, address)
        } catch {
            try? delete(environment)
            throw error
        }
    }

    private func connect(_ environment: CNIEnvironment, _ address: IPv4Address) throws -> CNIResult {
        let pod = PodInterface(environment)
        let host = Self.hostInterface(environment)
        let netlink = try NetlinkSocket()
        let namespace = try pod.namespace()
        try netlink.createVeth(
            host, peer: pod.name, peerNamespace: namespace.rawDescriptor, mtu: mtu)
        let mac = try pod.configure(IPv4CIDR(host: address), gateway: Self.gateway, isOnLink: true)
        let link = try netlink.link(named: host)
        try netlink.addAddress(IPv4CIDR(host: Self.gateway), linkIndex: link.index)
        try netlink.changeLink(index: link.index, LinkChange(isUp: true))
        try netlink.replaceRoute(Route(to: IPv4CIDR(host: address), linkIndex: link.index))
        return CNIResult(
            cniVersion: version.rawValue,
            interfaces: [
                .init(name: host, mac: link.mac?.description),
                .init(name: pod.name, mac: mac, sandbox: environment.netns),
            ],
            ips: [
                .init(
                    version: version == .v0_4_0 ? "4" : nil, address: "\(address)/32",
                    gateway: Self.gateway.description, interface: 1)
            ],
            routes: [.init(dst: "0.0.0.0/0", gw: Self.gateway.description)])
    }

    func delete(_ environment: CNIEnvironment) throws {
        let netlink = try NetlinkSocket()
        do throws(SystemError) {
            if let link = try netlink.findLink(named: Self.hostInterface(environment)) {
                try netlink.deleteLink(index: link.index)
            }
        } catch {
            if error.code != ENODEV { throw error }
        }
        let leases = try Leases(Self.state)
        for name in try leases.names(of: Leases.owner(environment)) { leases.release(name) }
    }

    /// The name of the veth's end on the node: `veth` and eight hexadecimal digits, always the same for an attachment.
    static func hostInterface(_ environment: CNIEnvironment) -> String {
        let digits = String(FNV1a32.hash(Leases.owner(environment).utf8), radix: 16)
        return "veth" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
