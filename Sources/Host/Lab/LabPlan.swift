import CloudAPI
import Digest
import NetAddress
import Scenario

/// A lab profile with everything worked out: the names and addresses of every node.
public struct LabPlan: Codable, Sendable {
    public struct Node: Codable, Sendable, Hashable {
        public let name: String
        /// The underlay address, in dotted form.
        public let address: String
        public let mac: String
        public let tap: String
        /// The id of the node's first interface as flow logs name it: `eni-` and 17 hexadecimal digits.
        public let interfaceID: String
        public let podCIDR: String
        /// The public address that the internet gateway gives the node, of 198.51.100.0/24 (RFC 5737); empty without a
        /// gateway.
        public let publicAddress: String
        /// The node's interfaces besides eth0.
        public let further: [Interface]

        public init(
            name: String, address: String, mac: String, tap: String, interfaceID: String, podCIDR: String,
            publicAddress: String = "", further: [Interface] = []
        ) {
            self.further = further
            self.name = name
            self.address = address
            self.mac = mac
            self.tap = tap
            self.interfaceID = interfaceID
            self.podCIDR = podCIDR
            self.publicAddress = publicAddress
        }
    }

    /// An interface of a node besides eth0.
    public struct Interface: Codable, Sendable, Hashable {
        /// `eth1`
        public let name: String
        public let address: String
        public let prefixLength: Int
        public let mac: String
        public let tap: String
        public let interfaceID: String
        /// The name of the interface's subnet.
        public let subnet: String
    }

    public let profile: LabProfile
    public let nodes: [Node]
    public let gateway: String
    public let prefixLength: Int
    /// The range of services where a profile names none; it is the one of EKS.
    static let usualServiceRange = IPv4CIDR(IPv4Address(10, 100, 0, 0), prefixLength: 16) ?? .any
    /// The ranges of all pods.
    public let clusterPodCIDRs: [String]
    /// The port on which a node itself answers probes.
    public static let nodePort = WorkloadPlacement.nodePort

    /// Where the nodes' public addresses are: TEST-NET-2 (RFC 5737).
    static let publicNetwork = IPv4Address(198, 51, 100, 0)

    /// - Throws: `LabError` when the ranges of the profile do not hold the nodes.
    public init(profile: LabProfile) throws(LabError) {
        guard let subnet = IPv4CIDR(profile.subnetCIDR) else {
            throw LabError(.plan, "lab \(profile.name): subnet is no CIDR")
        }
        let pool: ClusterPool
        do throws(ClusterPool.Mistake) {
            pool = try ClusterPool(profile)
        } catch {
            throw LabError(.plan, "\(error)")
        }
        guard pool.maskSize <= LabProfile.longestPodMask else {
            throw LabError(.plan, "lab \(profile.name): a /\(pool.maskSize) has no room for pods")
        }
        let hosts = (1 << (32 - subnet.prefixLength)) - 12
        guard profile.nodeCount <= hosts, profile.nodeCount <= LabProfile.mostNodes else {
            throw LabError(.plan, "lab \(profile.name): no room for \(profile.nodeCount) nodes")
        }
        // The first share stays free, so node1 has the second one.
        var shares: [IPv4CIDR] = []
        for (place, name) in zip(1..., profile.nodeNames) {
            guard let share = pool.share(place) else {
                throw LabError(
                    .plan,
                    "lab \(profile.name): no podCIDR left for \(name): the pool \(pool.ranges.map(\.description)) has "
                        + "\(pool.count - 1) shares of /\(pool.maskSize)")
            }
            shares.append(share)
        }
        clusterPodCIDRs = pool.ranges.map(\.description)
        self.profile = profile
        prefixLength = subnet.prefixLength
        gateway = IPv4Address(rawValue: subnet.network.address.rawValue + 1).description
        let cloud = profile.cloud
        let addresses = profile.nodeAddresses
        nodes = profile.nodeNames.enumerated().map { index, name in
            let number = UInt32(index + 1)
            return Node(
                name: name, address: addresses[index].description,
                mac: "02:4c:52:00:00:" + hexByte(number), tap: "tap\(number)",
                interfaceID: "eni-" + SHA256Digest.hex(of: Array((profile.name + "/" + name).utf8)).prefix(17),
                podCIDR: shares[index].description,
                publicAddress: cloud.internetGateway
                    ? IPv4Address(rawValue: Self.publicNetwork.rawValue + 10 + number).description : "",
                further: cloud.interfaces.enumerated().compactMap { position, interface in
                    Self.further(interface, position + 1, of: name, number, cloud)
                })
        }
    }

    /// How many interfaces can be plugged into a node besides those that it boots with. It is 0 unless pods get their
    /// addresses from the cloud's interfaces.
    public var hotplugSlots: Int {
        guard
            profile.datapathValues["ipam.mode"] == "eni" || profile.datapathValues["eni.enabled"] == "true"
                || profile.cloudPlugin == .networkInterface,
            let limits = InstanceLimits.byType[profile.cloud.instanceType]
        else { return 0 }
        return max(0, limits.interfaces - 1 - profile.cloud.interfaces.count)
    }

    private static func further(
        _ interface: CloudLayout.Interface, _ position: Int, of node: String, _ number: UInt32, _ cloud: CloudLayout
    ) -> Interface? {
        guard let subnet = cloud.subnets.first(where: { $0.name == interface.subnet }),
            let network = IPv4CIDR(subnet.cidr), let address = network.host(10 + number)
        else { return nil }
        return Interface(
            name: interface.name, address: address.description, prefixLength: network.prefixLength,
            mac: "02:4c:52:00:\(hexByte(UInt32(position))):\(hexByte(number))", tap: "tap\(number)-\(position)",
            interfaceID: "eni-" + SHA256Digest.hex(of: Array("\(node)/\(interface.name)".utf8)).prefix(17),
            subnet: interface.subnet)
    }

    public func node(_ name: String) -> Node? { nodes.first { $0.name == name } }
}

private func hexByte(_ value: UInt32) -> String {
    let text = String(value & 0xFF, radix: 16)
    return text.count == 1 ? "0" + text : text
}
