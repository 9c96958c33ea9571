import CloudAPI
import NetAddress
import ScenarioReading

extension LabProfileReader {
    /// What a profile's `vpc` and `nodes` say of the cloud, held against its networks, groups and nodes.
    mutating func cloud(_ spec: YAMLValue?, profile: LabProfile) -> CloudLayout {
        var cloud = CloudLayout()
        let (vpc, nodes) = (spec?["vpc"], spec?["nodes"])
        cloud.internetGateway = vpc?["internetGateway"]?.flag ?? true
        cloud.instanceType = nodes?["instanceType"]?.text ?? cloud.instanceType
        cloud.subnets = subnets(vpc?["subnets"], profile)
        let networks = Dictionary(
            ([(CloudLayout.firstSubnet, profile.subnetCIDR)] + cloud.subnets.map { ($0.name, $0.cidr) }).compactMap {
                name, cidr in IPv4CIDR(network: cidr).map { (name, $0) }
            }
        ) { first, _ in first }
        cloud.hosts = hosts(vpc?["hosts"], profile, networks)
        cloud.interfaces = interfaces(nodes?["networkInterfaces"], profile, networks)
        if let limits = InstanceLimits.byType[cloud.instanceType], cloud.interfaces.count >= limits.interfaces {
            checker.report(
                nodes?["networkInterfaces"]?.place ?? Place(line: 1, column: 1),
                "\(cloud.instanceType) has at most \(limits.interfaces) interfaces, eth0 among them")
        }
        cloud.routes = routes(vpc?["routes"], profile, cloud)
        if let records = vpc?["dns"]?["records"] {
            cloud.records = [:]
            for entry in records.entries { cloud.records[entry.key] = entry.value.texts }
        }
        return cloud
    }

    private mutating func subnets(_ value: YAMLValue?, _ profile: LabProfile) -> [CloudLayout.Subnet] {
        var found: [CloudLayout.Subnet] = []
        var networks = [(CloudLayout.firstSubnet, profile.subnetCIDR)]
        for item in value?.items ?? [] {
            let name = item["name"]?.text ?? ""
            let cidr = item["cidr"]?.text ?? ""
            if networks.contains(where: { $0.0 == name }) {
                checker.report(item["name"]?.place ?? item.place, "subnet \"\(name)\" is given twice")
            }
            if let network = IPv4CIDR(network: cidr) {
                let place = item["cidr"]?.place ?? item.place
                if let vpc = IPv4CIDR(network: profile.vpcCIDR), !vpc.contains(network) {
                    checker.report(place, "subnet \(cidr) is not within the VPC's \(profile.vpcCIDR)")
                }
                if let other = networks.first(where: { IPv4CIDR(network: $0.1)?.overlaps(network) == true }) {
                    checker.report(place, "subnet \(cidr) overlaps subnet \(other.0)")
                }
                if network.prefixLength > 28 { checker.report(place, "a subnet is a /28 or larger") }
            }
            networks.append((name, cidr))
            found.append(CloudLayout.Subnet(name: name, cidr: cidr, routed: item["routed"]?.flag ?? true))
        }
        return found
    }

    private mutating func hosts(
        _ value: YAMLValue?, _ profile: LabProfile, _ networks: [String: IPv4CIDR]
    ) -> [CloudLayout.Host] {
        var found: [CloudLayout.Host] = []
        for item in value?.items ?? [] {
            let host = CloudLayout.Host(
                name: item["name"]?.text ?? "", subnet: item["subnet"]?.text ?? CloudLayout.firstSubnet,
                address: item["address"]?.text ?? "")
            let reserved = [
                CloudLayout.resolverHost, CloudLayout.internetHost, "vpc-router", "internet-gateway", "dns",
                ControlPlaneLayout.host,
            ]
            let namePlace = item["name"]?.place ?? item.place
            if reserved.contains(host.name) {
                checker.report(namePlace, "\"\(host.name)\" is a part of the cloud already")
            }
            if found.contains(where: { $0.name == host.name }) {
                checker.report(namePlace, "host \"\(host.name)\" is given twice")
            }
            let place = item["address"]?.place ?? item.place
            if let network = checkSubnet(item["subnet"], host.subnet, networks),
                let address = IPv4Address(host.address)
            {
                let offset = address.rawValue &- network.address.rawValue
                if !network.contains(address) {
                    checker.report(place, "\(host.address) is not in subnet \(host.subnet)")
                } else if address == network.broadcast {
                    checker.report(place, "the last address of a subnet is its broadcast address")
                } else if offset < 4 {
                    checker.report(place, "the first four addresses of a subnet are the cloud's own")
                } else if (10...10 + UInt32(LabProfile.mostNodes)).contains(offset) {
                    checker.report(place, "the 11th to 74th address of a subnet are the nodes'")
                }
            }
            if found.contains(where: { $0.address == host.address }) {
                checker.report(place, "address \(host.address) is given twice")
            }
            found.append(host)
        }
        return found
    }

    private mutating func interfaces(
        _ value: YAMLValue?, _ profile: LabProfile, _ networks: [String: IPv4CIDR]
    ) -> [CloudLayout.Interface] {
        var found: [CloudLayout.Interface] = []
        for item in value?.items ?? [] {
            let name = item["name"]?.text ?? ""
            if name != "eth\(found.count + 1)" {
                checker.report(
                    item["name"]?.place ?? item.place,
                    "interfaces are given in order: this one is eth\(found.count + 1)")
            }
            let subnet = item["subnet"]?.text ?? ""
            _ = checkSubnet(item["subnet"], subnet, networks)
            if subnet == CloudLayout.firstSubnet {
                checker.report(
                    item["subnet"]?.place ?? item.place, "a further interface is in another subnet than eth0")
            }
            let groups = item["securityGroups"]?.texts ?? profile.nodeSecurityGroups
            checkGroups(item["securityGroups"], among: profile.securityGroups)
            found.append(
                CloudLayout.Interface(
                    name: name, subnet: subnet, securityGroups: groups,
                    sourceDestinationCheck: item["sourceDestinationCheck"]?.flag ?? profile.sourceDestinationCheck))
        }
        return found
    }

    private mutating func routes(
        _ value: YAMLValue?, _ profile: LabProfile, _ cloud: CloudLayout
    ) -> [CloudLayout.Route] {
        var found: [CloudLayout.Route] = []
        for item in value?.items ?? [] {
            let route = CloudLayout.Route(
                destination: item["destination"]?.text ?? "", target: item["target"]?.text ?? "")
            let place = item["destination"]?.place ?? item.place
            if let network = IPv4CIDR(network: route.destination), let vpc = IPv4CIDR(network: profile.vpcCIDR),
                vpc.overlaps(network)
            {
                checker.report(place, "\(route.destination) overlaps the VPC's own \(profile.vpcCIDR)")
            }
            if found.contains(where: { $0.destination == route.destination }) {
                checker.report(place, "route to \(route.destination) is given twice")
            }
            let names = profile.nodeNames.flatMap { node in
                [node] + cloud.interfaces.map { "\(node)/\($0.name)" }
            }
            if !names.contains(route.target) {
                checker.report(
                    item["target"]?.place ?? item.place, "no node or interface \"\(route.target)\"",
                    expected: names.oneOf,
                    suggestion: NearestName.of(route.target, among: names))
            }
            found.append(route)
        }
        return found
    }

    private mutating func checkSubnet(
        _ value: YAMLValue?, _ name: String, _ networks: [String: IPv4CIDR]
    ) -> IPv4CIDR? {
        if let network = networks[name] { return network }
        if let value {
            checker.report(
                value.place, "no subnet \"\(name)\"", expected: networks.keys.sorted().oneOf,
                suggestion: NearestName.of(name, among: networks.keys.sorted()))
        }
        return nil
    }
}
