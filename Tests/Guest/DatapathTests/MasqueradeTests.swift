import DatapathModel
import DatapathOptions
import NetAddress
import Netlink
import Testing

@testable import Datapath

@Suite struct MasqueradePlanTests {
    private static func plan(_ values: [String: String]) throws -> MasqueradePlan {
        try MasqueradePlan(try DatapathOptions(values: values))
    }

    @Test(arguments: [
        ([:], MasqueradePlan.Way.netfilter), (["enableIPv4Masquerade": "false"], .off),
        (["enableIPv4Masquerade": "false", "bpf.masquerade": "true"], .off), (["bpf.masquerade": "true"], .bpf),
    ])
    func ways(_ values: [String: String], _ way: MasqueradePlan.Way) throws {
        #expect(try Self.plan(values).way == way)
    }

    @Test func exclusions() throws {
        let plan = try Self.plan([
            "bpf.masquerade": "true", "ipv4NativeRoutingCIDR": "10.0.0.0/8", "ipMasqAgent.enabled": "true",
            "ipMasqAgent.config.nonMasqueradeCIDRs": "{203.0.113.0/24}",
        ])
        let names = Dictionary(uniqueKeysWithValues: plan.exclusions.map { ("\($0.key)", $0.value) })
        #expect(
            names == [
                "10.0.0.0/8": .nativeRouting, "203.0.113.0/24": .nonMasquerade, "169.254.0.0/16": .nonMasquerade,
            ])
    }

    @Test func linkLocalIsMasqueradedWhereItIsAskedFor() throws {
        let plan = try Self.plan([
            "bpf.masquerade": "true", "ipMasqAgent.enabled": "true", "ipMasqAgent.config.masqLinkLocal": "true",
        ])
        #expect(plan.exclusions.count == MasqueradePlan.defaultNonMasquerade.count)
    }

    /// As with the chart, the agent's configuration is not read without the switch.
    @Test func rangesWithoutTheSwitchExcludeNothing() throws {
        let plan = try Self.plan([
            "bpf.masquerade": "true", "ipMasqAgent.config.nonMasqueradeCIDRs": "203.0.113.0/24",
        ])
        #expect(plan.exclusions.isEmpty)
    }

    @Test(arguments: [
        ["bpf.masquerade": "true", "egressMasqueradeInterfaces": "eth0"], ["ipMasqAgent.enabled": "true"],
    ])
    func contradictions(_ values: [String: String]) {
        #expect(throws: DatapathError.self) { try Self.plan(values) }
    }

    @Test func table() throws {
        let values = ["egressMasqueradeInterfaces": "eth0,ens+", "ipv4NativeRoutingCIDR": "10.1.0.0/16"]
        let pods = try #require(IPv4CIDR("192.168.1.0/24"))
        let cluster = try #require(IPv4CIDR("192.168.0.0/16"))
        func table(_ values: [String: String]) throws -> MasqueradeTable? {
            try Self.plan(values).table(
                pods: pods, clusters: [cluster], node: IPv4Address(10, 0, 0, 11), others: [IPv4Address(10, 0, 0, 12)])
        }
        let native = try #require(try table(values.merging(["routingMode": "native"]) { $1 }))
        #expect(native.source == pods)
        #expect(
            native.exclusions.map(\.description) == ["192.168.0.0/16", "10.1.0.0/16", "10.0.0.11/32", "10.0.0.12/32"])
        #expect(native.interfaces == [.named("eth0"), .prefix("ens")])
        // Other nodes are reached outside of the tunnel, which does not carry pods' addresses there.
        let tunnel = try #require(try table(values))
        #expect(tunnel.exclusions.map(\.description) == ["192.168.0.0/16", "10.1.0.0/16", "10.0.0.11/32"])
        #expect(try table(["bpf.masquerade": "true"]) == nil)
        #expect(try Self.plan(["bpf.masquerade": "true"]).remoteNodesAreOutside)
        #expect(try !Self.plan(["bpf.masquerade": "true", "routingMode": "native"]).remoteNodesAreOutside)
    }
}

@Suite struct NodeDeviceTests {
    private static let links: [(name: String, index: Int32)] = [
        ("lo", 1), ("eth0", 2), ("eth1", 3), ("labrun_host", 4), ("lxc0123456789ab", 5), ("ens5", 6),
    ]
    private static let node = IPv4Address(10, 0, 0, 11)

    private static func select(_ patterns: [String]) throws -> [NodeDevice] {
        try NodeDevice.select(patterns, primary: "eth0", nodeAddress: node, among: links) { index in
            switch index {
            case 2: [IPv4Address(10, 0, 0, 99), node]
            case 3: [IPv4Address(10, 0, 1, 11)]
            default: []
            }
        }
    }

    @Test func theNodesOwnByDefault() throws {
        #expect(try Self.select([]) == [NodeDevice(name: "eth0", index: 2, address: Self.node)])
    }

    @Test(arguments: [
        (["eth0", "eth1"], ["eth0", "eth1"]), (["eth+"], ["eth0", "eth1"]), (["eth1", "eth+"], ["eth1", "eth0"]),
        (["+"], ["ens5", "eth0", "eth1"]), (["wlan+"], []),
    ])
    func patterns(_ patterns: [String], _ names: [String]) throws {
        #expect(try Self.select(patterns).map(\.name) == names)
    }

    @Test func addresses() throws {
        let devices = try Self.select(["eth1", "ens5"])
        #expect(devices.map(\.address) == [IPv4Address(10, 0, 1, 11), nil])
    }

    @Test func anAbsentDeviceIsRefusedByName() {
        #expect(throws: DatapathError.invalidConfiguration("device eth7: no such interface on this node")) {
            try Self.select(["eth0", "eth7"])
        }
    }
}

@Suite struct NATCollectionTests {
    private static let pod = IPv4Address(192, 168, 1, 10)
    private static let node = IPv4Address(10, 0, 0, 11)
    private static let world = IPv4Address(203, 0, 113, 9)
    private static let second: UInt64 = 1_000_000_000
    private static let now = 100_000 * second

    /// Both entries of a flow, with the seconds since they were last used.
    private static func flow(
        _ number: UInt8, flags: NATEntry.Flags = [], answer: NATEntry.Flags = [], idle: UInt64,
        answerIdle: UInt64? = nil
    ) -> [NATKey: NATEntry] {
        let out = NATKey(
            source: pod, sourcePort: 1000, destination: world, destinationPort: 53, protocol: number, direction: .egress
        )
        let forward = NATEntry(address: node, port: 40_000, flags: flags, used: now - idle * second)
        let back = NATEntry(address: pod, port: 1000, flags: answer, used: now - (answerIdle ?? idle) * second)
        return [out: forward, out.counterpart(forward): back]
    }

    private static func expired(_ entries: [NATKey: NATEntry], pods: Set<IPv4Address> = [pod]) -> Int {
        NATCollection.expired(entries, now: now) { pods.contains($0) }.count
    }

    @Test func theEntriesAreEachOthersCounterpart() throws {
        let entries = Self.flow(17, idle: 0)
        for (key, entry) in entries {
            let other = key.counterpart(entry)
            let back = try #require(entries[other])
            #expect(other != key && other.counterpart(back) == key)
        }
    }

    @Test(
        arguments: [
            (UInt8(17), NATEntry.Flags(), UInt64(59), 0), (17, [], 61, 2), (17, .replied, 61, 2), (1, [], 61, 2),
            (6, [], 61, 2), (6, [], 59, 0), (6, .replied, 61, 0), (6, .replied, 7999, 0), (6, .replied, 8001, 2),
            (6, [.replied, .closing], 9, 0), (6, [.replied, .closing], 11, 2),
        ] as [(UInt8, NATEntry.Flags, UInt64, Int)])
    func timeouts(_ number: UInt8, _ answer: NATEntry.Flags, _ idle: UInt64, _ count: Int) {
        #expect(Self.expired(Self.flow(number, answer: answer, idle: idle)) == count)
    }

    @Test func oneDirectionInUseKeepsBoth() {
        #expect(Self.expired(Self.flow(17, idle: 500, answerIdle: 1)) == 0)
    }

    @Test func half() {
        let lone = Self.flow(17, idle: 61).filter { $0.key.direction == .egress }
        #expect(Self.expired(lone) == 1)
    }

    @Test func flowsOfAPodThatIsGoneEnd() {
        #expect(Self.expired(Self.flow(6, answer: .replied, idle: 0), pods: [Self.node]) == 2)
    }

    /// The programs' clock may be a moment ahead.
    @Test func theFutureIsNoReason() {
        let entries = Self.flow(17, idle: 0).mapValues {
            NATEntry(address: $0.address, port: $0.port, used: Self.now + 5)
        }
        #expect(Self.expired(entries) == 0)
    }
}
