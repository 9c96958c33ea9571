import NetAddress

// Names become part of nftables text, so they must be plain words. They are checked here, once, before any text is
// made.

extension FabricSpec {
    func validate() throws(FabricError) {
        try requireDistinct("subnet", subnets.map(\.name))
        try requireDistinct("bridge", subnets.map(\.bridge))
        try requireDistinct("security group", securityGroups.map(\.name))
        try cloud?.validate(subnets: subnets)
        for host in cloud?.hosts ?? [] {
            for group in host.groups where !securityGroups.contains(where: { $0.name == group }) {
                throw FabricError(.unknown, "host \(host.name): no security group named \(group)")
            }
        }
        for subnet in subnets {
            try requireInterfaceName(subnet.bridge)
            guard subnet.cidr.contains(subnet.gateway) else {
                throw FabricError(.invalid, "subnet \(subnet.name): gateway \(subnet.gateway) is not in \(subnet.cidr)")
            }
        }
        let names = Set(securityGroups.map(\.name))
        for group in securityGroups { try group.validate(known: names) }
        if let capture, !(64...65_535).contains(capture.snapLength) {
            throw FabricError(.invalid, "capture: snap length \(capture.snapLength) is not in 64…65535")
        }
    }
}

extension SecurityGroup {
    func validate(known: Set<String>) throws(FabricError) {
        try requireWord("security group", name)
        try requireDistinct("rule in \(name)", rules.map(\.name))
        for rule in rules { try rule.validate(group: name, known: known) }
    }
}

extension SecurityGroupRule {
    func validate(group: String, known: Set<String>) throws(FabricError) {
        try requireWord("rule in \(group)", name)
        if ports != nil && (`protocol` == .icmp || `protocol` == .all) {
            throw FabricError(.invalid, "rule \(group)/\(name): \(`protocol`.rawValue) has no ports")
        }
        if case .group(let peer) = peer, !known.contains(peer) {
            throw FabricError(.unknown, "rule \(group)/\(name): no security group named \(peer)")
        }
    }
}

extension NICSpec {
    func validate() throws(FabricError) {
        try requireWord("interface", interfaceID)
        try requireInterfaceName(tap)
        try requireDistinct("group of \(interfaceID)", groups)
        if mac.isGroup { throw FabricError(.invalid, "\(interfaceID): \(mac) is a group address") }
    }
}

extension CloudSpec {
    func validate(subnets: [SubnetSpec]) throws(FabricError) {
        try requireDistinct("host", hosts.map(\.name) + (internet.map { [$0.name] } ?? []))
        try requireDistinct("route to", routes.map(\.destination.description))
        for subnet in subnets where !vpc.contains(subnet.cidr) {
            throw FabricError(.invalid, "subnet \(subnet.name) is not within the VPC's \(vpc)")
        }
        for host in hosts {
            try requireWord("host", host.name)
            guard let subnet = subnets.first(where: { $0.name == host.subnet }) else {
                throw FabricError(.unknown, "host \(host.name): no subnet named \(host.subnet)")
            }
            guard subnet.cidr.contains(host.address), host.address != subnet.gateway else {
                throw FabricError(.invalid, "host \(host.name): \(host.address) is no host address of \(subnet.cidr)")
            }
        }
        for route in routes { try route.validate(vpc: vpc) }
        if let internet, !internet.network.contains(internet.address) || internet.address == internet.gateway {
            throw FabricError(.invalid, "\(internet.name): \(internet.address) is not in \(internet.network)")
        }
    }
}

extension RouteSpec {
    func validate(vpc: IPv4CIDR) throws(FabricError) {
        guard destination.prefixLength > 0, !vpc.contains(destination), !destination.contains(vpc) else {
            throw FabricError(.invalid, "route to \(destination): the VPC's own \(vpc) has a route already")
        }
    }
}

private func requireWord(_ what: String, _ word: String) throws(FabricError) {
    let isWord = word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
    // 128 bytes are the longest comment of a rule; two words and a slash must fit.
    guard isWord, (1...40).contains(word.utf8.count) else {
        throw FabricError(.invalid, "\(what): not a name of 1…40 letters, digits, - _ .: \(word)")
    }
}

private func requireInterfaceName(_ name: String) throws(FabricError) {
    try requireWord("network interface", name)
    // IFNAMSIZ is 16 with the terminating zero.
    guard name.utf8.count <= 15, name != ".", name != ".." else {
        throw FabricError(.invalid, "network interface: longer than 15 bytes: \(name)")
    }
}

private func requireDistinct(_ what: String, _ names: [String]) throws(FabricError) {
    var seen: Set<String> = []
    for name in names where !seen.insert(name).inserted {
        throw FabricError(.exists, "\(what) \(name) is there twice")
    }
}
