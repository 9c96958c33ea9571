import CloudAPI
import NetAddress
import Testing

@testable import VPCServices

@Suite struct InterfaceLedgerTests {
    static let node = InterfaceLedger.Node(
        name: "node1", instanceID: "i-1", type: "t3.medium",
        limits: InstanceLimits(interfaces: 3, addressesPerInterface: 6))

    static func ledger(_ cidr: String = "10.0.0.0/24") throws -> InterfaceLedger {
        let network = try #require(IPv4CIDR(cidr))
        let gateway = try #require(network.host(1))
        let primary = try #require(network.host(11))
        return InterfaceLedger(
            vpc: try #require(IPv4CIDR("10.0.0.0/16")),
            subnets: [InterfaceLedger.Subnet(id: "nodes", cidr: network, gateway: gateway, reserved: [])],
            nodes: [node],
            interfaces: [
                InterfaceLedger.Interface(
                    id: "eni-0", node: "node1", mac: MACAddress(rawValue: 2), subnet: "nodes", primary: primary,
                    groups: ["nodes"], deviceIndex: 0)
            ], groups: ["nodes"])
    }

    private func code(_ body: () throws -> Void) -> CloudFailure.Code? {
        do {
            try body()
            return nil
        } catch { return (error as? CloudFailure)?.code }
    }

    @Test func `an interface is made, attached, and deleted only when detached`() throws {
        var ledger = try Self.ledger()
        let free = ledger.describeSubnets()[0].freeAddresses
        let made = try ledger.create(CloudRequest(.createNetworkInterface, count: 5), for: Self.node)
        #expect(made.primary == IPv4Address(10, 0, 0, 4) && made.secondary.count == 5 && made.deviceIndex == nil)
        #expect(ledger.node(at: made.primary) == nil)
        #expect(try ledger.attach(made.id, at: nil, to: Self.node).deviceIndex == 1)
        #expect(ledger.node(at: made.secondary[4]) == Self.node)
        #expect(code { _ = try ledger.delete(made.id, of: Self.node) } == .invalidNetworkInterfaceInUse)
        #expect(code { _ = try ledger.attach(made.id, at: nil, to: Self.node) } == .invalidNetworkInterfaceInUse)
        #expect(code { _ = try ledger.detach("eni-0", from: Self.node) } == .operationNotPermitted)
        _ = try ledger.detach(made.id, from: Self.node)
        _ = try ledger.delete(made.id, of: Self.node)
        #expect(ledger.describeSubnets()[0].freeAddresses == free)
        #expect(code { _ = try ledger.delete(made.id, of: Self.node) } == .invalidNetworkInterfaceNotFound)
    }

    @Test func `limits of the instance type`() throws {
        var ledger = try Self.ledger()
        for _ in 0..<2 {
            let made = try ledger.create(CloudRequest(.createNetworkInterface), for: Self.node)
            _ = try ledger.attach(made.id, at: nil, to: Self.node)
        }
        let third = try ledger.create(CloudRequest(.createNetworkInterface), for: Self.node)
        #expect(code { _ = try ledger.attach(third.id, at: nil, to: Self.node) } == .attachmentLimitExceeded)
        let request = { (count: Int?, prefixes: Int?) in
            CloudRequest(
                .assignPrivateIpAddresses, networkInterfaceID: "eni-0", count: count, prefixCount: prefixes)
        }
        #expect(code { _ = try ledger.assign(request(6, nil), for: Self.node) } == .privateIpAddressLimitExceeded)
        _ = try ledger.assign(request(4, 1), for: Self.node)
        #expect(code { _ = try ledger.assign(request(nil, 1), for: Self.node) } == .privateIpAddressLimitExceeded)
        #expect(code { _ = try ledger.assign(request(nil, nil), for: Self.node) } == .invalidParameterValue)
        #expect(code { _ = try ledger.assign(request(-1, 2), for: Self.node) } == .invalidParameterValue)
    }

    @Test func `a refused request changes nothing, an exhausted subnet says so`() throws {
        // 16 addresses: four first, the last and the node's own are taken.
        var ledger = try Self.ledger("10.0.0.0/28")
        #expect(ledger.describeSubnets()[0].freeAddresses == 10)
        let first = try ledger.create(CloudRequest(.createNetworkInterface, count: 5), for: Self.node)
        let before = ledger.describeSubnets()
        let request = CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: "eni-0", count: 5)
        #expect(code { _ = try ledger.assign(request, for: Self.node) } == .insufficientFreeAddressesInSubnet)
        #expect(ledger.describeSubnets() == before)
        #expect(ledger.interfaces["eni-0"]?.secondary == [])
        let prefix = CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: "eni-0", prefixCount: 1)
        #expect(code { _ = try ledger.assign(prefix, for: Self.node) } == .insufficientCidrBlocks)
        let given = first.secondary[0].description
        _ = try ledger.unassign(
            CloudRequest(.unassignPrivateIpAddresses, networkInterfaceID: first.id, addresses: [given]), for: Self.node)
        #expect(ledger.describeSubnets()[0].freeAddresses == before[0].freeAddresses + 1)
    }

    @Test func `prefixes are aligned, and whole or not given`() throws {
        var ledger = try Self.ledger()
        let request = CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: "eni-0", prefixCount: 2)
        let interface = try ledger.assign(request, for: Self.node)
        #expect(interface.prefixes.map(\.description) == ["10.0.0.16/28", "10.0.0.32/28"])
        #expect(interface.secondaryAddresses.count == 32)
        #expect(ledger.node(at: IPv4Address(10, 0, 0, 47)) == Self.node)
        let after = try ledger.unassign(
            CloudRequest(.unassignPrivateIpAddresses, networkInterfaceID: "eni-0", prefixes: ["10.0.0.16/28"]),
            for: Self.node)
        #expect(after.prefixes.map(\.description) == ["10.0.0.32/28"])
    }

    @Test func `another node's interface does not exist, an unknown subnet and group neither`() throws {
        var ledger = try Self.ledger()
        let other = InterfaceLedger.Node(name: "node2", instanceID: "i-2", type: "t3.medium", limits: Self.node.limits)
        #expect(code { _ = try ledger.detach("eni-0", from: other) } == .invalidNetworkInterfaceNotFound)
        #expect(
            code { _ = try ledger.create(CloudRequest(.createNetworkInterface, subnetID: "x"), for: Self.node) }
                == .invalidSubnetNotFound)
        let request = CloudRequest(.createNetworkInterface, securityGroups: ["x"])
        #expect(code { _ = try ledger.create(request, for: Self.node) } == .invalidGroupNotFound)
    }

    @Test func `metadata lists and tells`() throws {
        let instance = try Self.ledger().describe(Self.node)
        let text = { InstanceMetadata.text($0, instance: instance, publicAddress: "198.51.100.11") }
        #expect(text("/latest/meta-data/local-ipv4") == "10.0.0.11")
        #expect(text("/latest/meta-data/public-ipv4") == "198.51.100.11")
        #expect(text("/latest/meta-data/network/interfaces/macs/") == "00:00:00:00:00:02/")
        #expect(text("/latest/meta-data/network/interfaces/macs/00:00:00:00:00:02/subnet-id") == "nodes")
        #expect(text("/latest/meta-data/")?.contains("instance-type") == true)
        #expect(text("/latest/meta-data/nothing") == nil)
        #expect(text("/elsewhere") == nil)
    }
}
