import Fabric
import NetAddress
import Scenario

extension LabPlan {
    /// The fabric that the profile describes, before any interface.
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
        return FabricSpec(
            subnets: [SubnetSpec(name: Self.subnetName, cidr: subnet, bridge: "vpc0")], securityGroups: groups,
            outputDirectory: outputDirectory)
    }

    static let subnetName = "nodes"

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

    public func nic(of node: Node) throws(LabError) -> NICSpec {
        guard let mac = MACAddress(node.mac), let address = IPv4Address(node.address) else {
            throw LabError(.plan, "\(node.name) has no valid MAC or address")
        }
        return NICSpec(
            interfaceID: node.interfaceID, node: node.name, tap: node.tap, mac: mac, address: address,
            subnet: Self.subnetName, groups: profile.nodeSecurityGroups,
            sourceDestinationCheck: profile.sourceDestinationCheck)
    }
}
