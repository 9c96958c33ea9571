import Fabric
import NetAddress
import Scenario

extension LabPlan {
    /// The fabric that the profile describes, without interfaces.
    public func fabricSpec(outputDirectory: String?) throws(LabError) -> FabricSpec {
        guard let subnet = IPv4CIDR(profile.subnetCIDR) else {
            throw LabError(.plan, "lab \(profile.name): subnet \(profile.subnetCIDR) is no CIDR")
        }
        var groups: [SecurityGroup] = []
        for group in profile.securityGroups {
            var rules: [SecurityGroupRule] = []
            for rule in group.rules { rules.append(try fabricRule(rule, group: group.name)) }
            groups.append(SecurityGroup(name: group.name, rules: rules))
        }
        var subnets = [SubnetSpec(name: Self.subnetName, cidr: subnet, bridge: "vpc0")]
        for (index, further) in profile.cloud.subnets.enumerated() {
            guard let cidr = IPv4CIDR(further.cidr) else {
                throw LabError(.plan, "lab \(profile.name): subnet \(further.cidr) is no CIDR")
            }
            subnets.append(
                SubnetSpec(name: further.name, cidr: cidr, bridge: "vpc\(index + 1)", isRouted: further.routed))
        }
        if let place = profile.controlPlanePlace, place.isSubnetMade {
            subnets.append(SubnetSpec(name: place.subnet, cidr: place.cidr, bridge: "vpc\(subnets.count)"))
        }
        return FabricSpec(
            subnets: subnets, securityGroups: groups, outputDirectory: outputDirectory, cloud: try cloudSpec())
    }

    static let subnetName = CloudLayout.firstSubnet

    /// Router, resolver, hosts and internet of the profile.
    private func cloudSpec() throws(LabError) -> CloudSpec {
        guard let vpc = IPv4CIDR(profile.vpcCIDR), let resolver = IPv4Address(profile.resolverAddress) else {
            throw LabError(.plan, "lab \(profile.name): the VPC's \(profile.vpcCIDR) is no CIDR")
        }
        var hosts = [
            CloudHostSpec(name: CloudLayout.resolverHost, subnet: Self.subnetName, address: resolver)
        ]
        for host in profile.cloud.hosts {
            guard let address = IPv4Address(host.address) else {
                throw LabError(.plan, "host \(host.name): \(host.address) is no address")
            }
            hosts.append(CloudHostSpec(name: host.name, subnet: host.subnet, address: address))
        }
        if profile.controlPlane.enabled {
            guard let place = profile.controlPlanePlace else {
                throw LabError(.plan, "lab \(profile.name) has no free address for a control plane")
            }
            hosts.append(
                CloudHostSpec(
                    name: ControlPlaneLayout.host, subnet: place.subnet, address: place.address,
                    groups: profile.controlPlaneSecurityGroups))
        }
        if let place = profile.balancerPlace {
            hosts.append(
                CloudHostSpec(
                    name: CloudLayout.balancerHost, subnet: place.subnet, address: place.address,
                    groups: profile.controlPlaneSecurityGroups))
        }
        var routes: [RouteSpec] = []
        for route in profile.cloud.routes {
            guard let destination = IPv4CIDR(route.destination), let target = interfaceID(of: route.target) else {
                throw LabError(.plan, "route to \(route.destination): \(route.target) is no interface")
            }
            routes.append(RouteSpec(destination: destination, interfaceID: target))
        }
        return CloudSpec(
            vpc: vpc, routes: routes, hosts: hosts, internet: profile.cloud.internetGateway ? Self.internet : nil,
            resolver: resolver)
    }

    /// The id of the interface that a route leads to.
    ///
    /// - Parameter target: `node1` or `node1/eth1`.
    /// - Returns: nil when there is no such interface.
    public func interfaceID(of target: String) -> String? {
        let parts = target.split(separator: "/").map(String.init)
        guard let node = parts.first.flatMap({ node($0) }) else { return nil }
        guard parts.count == 2, parts[1] != "eth0" else { return node.interfaceID }
        return node.further.first { $0.name == parts[1] }?.interfaceID
    }

    private static let internet: InternetSpec? = {
        let addresses = CloudLayout.internetAddresses.compactMap { IPv4Address($0) }
        guard let first = addresses.first, let network = IPv4CIDR(first, prefixLength: 24),
            let publicNetwork = IPv4CIDR(LabPlan.publicNetwork, prefixLength: 24)
        else { return nil }
        return InternetSpec(
            name: CloudLayout.internetHost, network: network.network, address: first,
            further: Array(addresses.dropFirst()), publicNetwork: publicNetwork)
    }()

    /// A profile's or a fault's rule in the fabric's terms. `self` is the group that it stands in.
    public func fabricRule(_ rule: LabProfile.Rule, group: String) throws(LabError) -> SecurityGroupRule {
        guard let direction = SecurityGroupRule.Direction(rawValue: rule.direction),
            let proto = SecurityGroupRule.TransportProtocol(rawValue: rule.protocol)
        else { throw LabError(.plan, "rule \(group)/\(rule.name): unknown direction or protocol") }
        let peer: SecurityGroupRule.Peer
        switch rule.peer {
        case "any": peer = .any
        case "self": peer = .group(group)
        default:
            if let cidr = IPv4CIDR(rule.peer) {
                peer = .cidr(cidr)
            } else if profile.securityGroups.contains(where: { $0.name == rule.peer }) {
                peer = .group(rule.peer)
            } else {
                throw LabError(.plan, "rule \(group)/\(rule.name): peer \(rule.peer) is no group and no CIDR")
            }
        }
        return SecurityGroupRule(
            name: rule.name, direction: direction, protocol: proto, ports: rule.ports, peer: peer)
    }

    /// All interfaces of a node, eth0 first.
    public func nics(of node: Node) throws(LabError) -> [NICSpec] {
        var all = [try nic(of: node)]
        for (interface, layout) in zip(node.further, profile.cloud.interfaces) {
            guard let mac = MACAddress(interface.mac), let address = IPv4Address(interface.address) else {
                throw LabError(.plan, "\(node.name) \(interface.name) has no valid MAC or address")
            }
            all.append(
                NICSpec(
                    interfaceID: interface.interfaceID, node: node.name, tap: interface.tap, mac: mac, address: address,
                    subnet: interface.subnet, groups: layout.securityGroups,
                    sourceDestinationCheck: layout.sourceDestinationCheck))
        }
        return all
    }

    public func nic(of node: Node) throws(LabError) -> NICSpec {
        guard let mac = MACAddress(node.mac), let address = IPv4Address(node.address) else {
            throw LabError(.plan, "\(node.name) has no valid MAC or address")
        }
        return NICSpec(
            interfaceID: node.interfaceID, node: node.name, tap: node.tap, mac: mac, address: address,
            subnet: Self.subnetName, groups: profile.nodeSecurityGroups,
            sourceDestinationCheck: profile.sourceDestinationCheck,
            publicAddress: IPv4Address(node.publicAddress))
    }
}
