import Dispatch
import Foundation
import LinuxKernel
import NetAddress
import Netlink

/// The VPC of a lab: a bridge per subnet, a tap per interface, security groups, source/destination checks, flow log and
/// captures, all in the network namespace of the calling process.
///
/// Needs CAP_NET_ADMIN in that namespace, `/dev/net/tun`, nftables and br_netfilter. It uses one table named `labrun`
/// in each of the families `bridge` and `ip`, and touches no other.
///
/// Its blocking work runs on a queue of its own; captures run on one thread.
///
/// **Established flows.** As in AWS, a tracked flow outlives the removal of the rule that allowed it: a TCP connection
/// goes on. A flow is tracked once both directions have been seen, so a one-way flow is held against the rules packet
/// by packet, and its removal takes effect with the next packet. VXLAN is always such: every direction of a tunnel has
/// a source port of its own, so no packet answers another.
public actor Fabric {
    let spec: FabricSpec
    let ruleset: Ruleset
    var groups: [String: SecurityGroup]
    var interfaces: [String: AttachedInterface] = [:]
    private var nextMark: UInt32 = 1
    let nftables: NftablesContext
    let netlink: NetlinkSocket
    let observation: Observation
    /// The VPC's router; nil in a fabric without a cloud.
    var router: VPCRouter?
    var hosts: [CloudNamespace] = []
    var ports: [CloudPort] = []
    private(set) var isStopped = false
    /// The number of packets that were denied on interfaces which are gone. Their records are still in the netfilter
    /// log.
    var detachedDenials: UInt64 = 0

    struct AttachedInterface {
        var nic: NICSpec
        let mark: UInt32
        let linkIndex: Int32
        let bridge: String
    }

    /// The netfilter log group of the packets that the router discards. Each network namespace numbers its groups on
    /// its own.
    var discardGroup: UInt16 { spec.logGroup }

    private let queue: QueueExecutor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Makes bridges and tables, and starts observing.
    ///
    /// - Throws: `SystemError` of the failed call; `FabricError` for a specification that contradicts itself, and with
    ///   code `unsupported` where the kernel lacks br_netfilter.
    public static func start(_ spec: FabricSpec) async throws -> Fabric {
        try spec.validate()
        let fabric = try Fabric(validated: spec)
        try await fabric.build()
        return fabric
    }

    private init(validated spec: FabricSpec) throws {
        self.spec = spec
        ruleset = Ruleset(
            logGroup: spec.logGroup, bridges: spec.subnets.map(\.bridge),
            unfiltered: spec.cloud.map { [CloudSpec.metadataAddress] + ($0.resolver.map { [$0] } ?? []) } ?? [])
        groups = Dictionary(uniqueKeysWithValues: spec.securityGroups.map { ($0.name, $0.withDefaultEgress) })
        nftables = try NftablesContext()
        netlink = try NetlinkSocket()
        observation = try Observation(spec)
        queue = QueueExecutor(label: "fabric")
    }

    private func build() throws {
        try enableBridgeNetfilter()
        for subnet in spec.subnets {
            // A bridge takes the frames for its own hardware address, so the router's must be another one.
            let mac = spec.cloud == nil ? subnet.gatewayMAC : CloudPort.bridgeMAC(of: subnet.gateway)
            try netlink.createBridge(subnet.bridge, mac: mac, mtu: spec.mtu)
            disableIPv6(on: subnet.bridge)
            let index = try netlink.link(named: subnet.bridge).index
            if spec.cloud == nil,
                let address = IPv4CIDR(subnet.gateway, prefixLength: subnet.cidr.prefixLength)
            {
                try netlink.addAddress(address, linkIndex: index)
            }
            try netlink.changeLink(index: index, LinkChange(isUp: true))
        }
        try nftables.run(ruleset.base(groups: groups.keys.sorted()))
        try buildCloud()
        try observation.start(discards: try router?.openLog(discardGroup))
        for port in ports { try observation.attach(port.nic, isCloud: true) }
    }

    /// Makes the interface's tap, up and on its subnet's bridge, and puts its security groups in force.
    public func attachNIC(_ nic: NICSpec) throws {
        try validate(nic)
        guard let subnet = spec.subnets.first(where: { $0.name == nic.subnet }) else {
            throw FabricError(.unknown, "\(nic.interfaceID): no subnet named \(nic.subnet)")
        }
        if try netlink.findLink(named: nic.tap) == nil { try Tap.create(nic.tap) }
        disableIPv6(on: nic.tap)
        let bridge = try netlink.link(named: subnet.bridge).index
        let index = try netlink.link(named: nic.tap).index
        let mark = nextMark
        nextMark += 1
        // The rules come first, so that the interface is at no moment connected without them.
        let rules = Ruleset.rules(of: nic, mark: mark, groups: groups).map(Ruleset.insert)
        try nftables.run(ruleset.attach(nic, mark: mark) + rules)
        interfaces[nic.interfaceID] = AttachedInterface(
            nic: nic, mark: mark, linkIndex: index, bridge: subnet.bridge)
        // A capture can be opened only on an interface that is up. The first packets that it sees are the bridge's.
        try netlink.changeLink(index: index, LinkChange(isUp: true, mtu: spec.mtu))
        try observation.attach(nic)
        try netlink.changeLink(index: index, LinkChange(master: bridge))
        try enterCloud(nic)
    }

    /// Removes the interface, its tap and its rules. What was observed on it stays in memory.
    public func detachNIC(_ interfaceID: String) throws {
        let interface = try attached(interfaceID)
        try leaveCloud(interface.nic)
        observation.detach(interface.nic)
        try netlink.deleteLink(index: interface.linkIndex)
        let listing = try NftablesListing(json: nftables.list("table ip \(Ruleset.table)"))
        let own = denials(listing, interfacesByChain()).filter { $0.interfaceID == interfaceID }
        detachedDenials += own.map(\.packets).reduce(0, +)
        try nftables.run(ruleset.detach(interface.nic, mark: interface.mark))
        interfaces[interfaceID] = nil
    }

    /// Takes the interface's tap down or up. While it is down, what the node sends or would receive is lost, as on a
    /// switch's port that is switched off.
    public func setLink(_ interfaceID: String, up: Bool) throws {
        try netlink.changeLink(index: try attached(interfaceID).linkIndex, LinkChange(isUp: up))
    }

    /// Closes the files of captures and flow log, after writing what is still to be written. Observing goes on: what
    /// comes from now on is remembered, but written only after `record(in:)`.
    public func endFiles() async { await observation.endFiles() }

    /// Begins new files of captures and flow log in an existing folder. They have what comes from now on.
    ///
    /// - Throws: `SystemError` if a file cannot be created.
    public func record(in directory: String) async throws { try await observation.record(in: directory) }

    /// Ends captures and flow log, after writing what is still to be written.
    ///
    /// - Parameter removing: Whether tables and interfaces are removed, too. Otherwise they end with the network
    ///   namespace.
    public func stop(removing: Bool = false) async throws {
        guard !isStopped else { return }
        isStopped = true
        await observation.stop()
        guard removing else { return }
        for interface in interfaces.values { try netlink.deleteLink(index: interface.linkIndex) }
        for port in ports { try netlink.deleteLink(named: port.tap) }
        for bridge in bridges { try netlink.deleteLink(named: bridge) }
        router = nil
        hosts = []
        ports = []
        interfaces = [:]
        try nftables.run(["delete table bridge \(Ruleset.table)", "delete table ip \(Ruleset.table)"])
    }

    func attached(_ interfaceID: String) throws(FabricError) -> AttachedInterface {
        guard let interface = interfaces[interfaceID] else {
            throw FabricError(.unknown, "no interface \(interfaceID) is attached")
        }
        return interface
    }

    private func validate(_ nic: NICSpec) throws(FabricError) {
        try nic.validate()
        guard interfaces[nic.interfaceID] == nil else {
            throw FabricError(.exists, "\(nic.interfaceID) is attached already")
        }
        for other in interfaces.values.map(\.nic) {
            if other.tap == nic.tap || other.mac == nic.mac || !Set(other.addresses).isDisjoint(with: nic.addresses) {
                throw FabricError(
                    .exists, "\(nic.interfaceID): tap, MAC or address is that of \(other.interfaceID)")
            }
        }
        for group in nic.groups where groups[group] == nil {
            throw FabricError(.unknown, "\(nic.interfaceID): no security group named \(group)")
        }
    }
}

/// Bridged packets reach the `ip` tables only by br_netfilter, whose switch is per network namespace since Linux 5.3.
private func enableBridgeNetfilter() throws {
    let path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    guard let value = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw FabricError(
            .unsupported, "\(path) is missing: load the br_netfilter module (as root: modprobe br_netfilter)")
    }
    guard value.trimmingCharacters(in: .whitespacesAndNewlines) != "1" else { return }
    try FileDescriptor.open(path, O_WRONLY).writeAll(Array("1\n".utf8))
}

/// The VPC is IPv4; router solicitations would only blur the captures. Where the kernel has no IPv6 there is no switch.
func disableIPv6(on interface: String) {
    let path = "/proc/sys/net/ipv6/conf/\(interface)/disable_ipv6"
    try? FileDescriptor.open(path, O_WRONLY).writeAll(Array("1\n".utf8))
}

extension SubnetSpec {
    /// A locally administered hardware address that is derived from the gateway's address, so that it is the same in
    /// every run.
    var gatewayMAC: MACAddress {
        MACAddress(rawValue: 0x0A00_0000_0000 | UInt64(gateway.rawValue))
    }
}
