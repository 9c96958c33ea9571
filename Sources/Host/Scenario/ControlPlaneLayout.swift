import NetAddress

/// Where the servers of the lab's control plane are, from a lab profile's `controlPlane`.
///
/// They have a network namespace of their own, which is a host of the cloud: behind the VPC's router, captured and in
/// flow logs as any other.
public struct ControlPlaneLayout: Codable, Sendable, Hashable {
    /// Whether the lab has one. Otherwise the harness itself hands objects to the agents.
    public var enabled = false
    /// The folder of kube-apiserver, kube-controller-manager, kube-scheduler and etcd. Nil for those that labrun finds
    /// or builds.
    public var binaries: String?
    /// The series that the API server must be of, such as `1.20`; nil for any.
    public var version: String?
    /// The name of the subnet that it is in; nil for the subnet `control-plane`, which is made if the VPC has none.
    public var subnet: String?
    /// Its address in the subnet; nil for the first free one.
    public var address: String?
    /// The security groups that count it as a member. Nil for those of the nodes, as EKS has it. What the servers
    /// themselves may send and receive is not filtered.
    public var securityGroups: [String]?

    /// Whether a cloud controller completes nodes and makes load balancers.
    public var cloudController = false
    /// Whether it starts machines for pods that wait, too, by node pools.
    public var autoscaler = false
    /// Whether it makes routes of the VPC to nodes' shares of the pods' range, as Kubernetes' route controller.
    public var configureCloudRoutes = false
    /// Whether it serves Gateways and HTTPRoutes of Gateway API.
    public var gatewayController = false

    public init(enabled: Bool = false) { self.enabled = enabled }

    /// The name of the host, and of the subnet that is made for it.
    public static let host = "control-plane"
    /// The port of the API server.
    public static let port: UInt16 = 6443

    /// Where it is in the VPC.
    public struct Place: Sendable, Hashable {
        /// The subnet's name.
        public let subnet: String
        public let cidr: IPv4CIDR
        public let address: IPv4Address
        /// Whether the subnet is one that the profile does not have.
        public let isSubnetMade: Bool
    }
}

extension LabProfile {
    /// The place of the control plane; nil when the lab has none, and when there is no free address for it.
    public var controlPlanePlace: ControlPlaneLayout.Place? {
        guard controlPlane.enabled else { return nil }
        let named = controlPlane.subnet ?? ControlPlaneLayout.host
        if let cidr = subnetNetworks[named] { return place(named, cidr) }
        guard controlPlane.subnet == nil else { return nil }
        if let made = freeNetwork() {
            return place(ControlPlaneLayout.host, made, isSubnetMade: true)
        }
        // The nodes' own segment, as the last resort: a VPC of one subnet has no other.
        guard let cidr = subnetNetworks[CloudLayout.firstSubnet] else { return nil }
        return place(CloudLayout.firstSubnet, cidr)
    }

    /// The address of the API server in dotted form; nil when there is none.
    public var controlPlaneAddress: String? { controlPlanePlace?.address.description }

    /// Where the cloud's load balancers have their address, beside the control plane; nil in a lab without a cloud
    /// controller, and when there is no free address.
    public var balancerPlace: ControlPlaneLayout.Place? {
        guard controlPlane.cloudController, let place = controlPlanePlace else { return nil }
        return freeAddress(in: place.cidr, besides: [place.address.description]).map {
            ControlPlaneLayout.Place(
                subnet: place.subnet, cidr: place.cidr, address: $0, isSubnetMade: place.isSubnetMade)
        }
    }

    /// The security groups that count the control plane as a member.
    public var controlPlaneSecurityGroups: [String] { controlPlane.securityGroups ?? nodeSecurityGroups }

    private var subnetNetworks: [String: IPv4CIDR] {
        let all = [(CloudLayout.firstSubnet, subnetCIDR)] + cloud.subnets.map { ($0.name, $0.cidr) }
        return Dictionary(all.compactMap { name, cidr in IPv4CIDR(network: cidr).map { (name, $0) } }) { first, _ in
            first
        }
    }

    private func place(
        _ name: String, _ cidr: IPv4CIDR, isSubnetMade: Bool = false
    ) -> ControlPlaneLayout.Place? {
        let address: IPv4Address?
        if let given = controlPlane.address {
            address = IPv4Address(given).flatMap { cidr.contains($0) ? $0 : nil }
        } else {
            address = freeAddress(in: cidr)
        }
        return address.map {
            ControlPlaneLayout.Place(subnet: name, cidr: cidr, address: $0, isSubnetMade: isSubnetMade)
        }
    }

    /// The first address that is neither the cloud's own nor a host's nor set aside for nodes.
    private func freeAddress(in cidr: IPv4CIDR, besides others: Set<String> = []) -> IPv4Address? {
        let taken = others.union(cloud.hosts.map(\.address))
        let nodes = UInt32(LabShape.firstNodeOffset - 1)...UInt32(LabShape.firstNodeOffset - 1 + LabProfile.mostNodes)
        // Each host takes one, so that one of these is free, if the subnet is as large.
        for offset in UInt32(4)...nodes.upperBound + 1 + UInt32(taken.count) where !nodes.contains(offset) {
            guard let address = cidr.host(offset), address != cidr.broadcast else { return nil }
            if !taken.contains(address.description) { return address }
        }
        return nil
    }

    /// The last /28 of the VPC that overlaps none of its subnets, nor the pods' range.
    private func freeNetwork() -> IPv4CIDR? {
        guard let vpc = IPv4CIDR(network: vpcCIDR), vpc.prefixLength <= 28 else { return nil }
        let taken = Array(subnetNetworks.values) + [IPv4CIDR(network: podCIDR)].compactMap { $0 }
        var last = vpc.broadcast.rawValue
        // What overlaps is skipped as a whole, so that each network is met once.
        for _ in 0...taken.count {
            guard last >= vpc.address.rawValue &+ 15,
                let candidate = IPv4CIDR(IPv4Address(rawValue: last & ~15), prefixLength: 28)
            else { return nil }
            guard let other = taken.first(where: { $0.overlaps(candidate) }) else { return candidate }
            guard other.network.address.rawValue > vpc.address.rawValue else { return nil }
            last = other.network.address.rawValue - 1
        }
        return nil
    }
}
