import CDatapathABI
import NetAddress
import Testing

@testable import DatapathModel

/// The layouts that the kernel and the agent must share byte by byte.
struct ModelLayoutTests {
    @Test func sizesAreThoseOfTheABI() {
        #expect(MemoryLayout<EndpointKey>.size == MemoryLayout<dp_endpoint_key>.size)
        #expect(MemoryLayout<EndpointKey>.size == 20)
        #expect(MemoryLayout<EndpointEntry>.size == 24)
        #expect(MemoryLayout<InterfaceEntry>.size == 44)
        #expect(MemoryLayout<IPCacheKey>.size == 24)
        #expect(MemoryLayout<IPCacheValue>.size == 24)
        #expect(MemoryLayout<ConnectionKey>.size == 40)
        #expect(MemoryLayout<ConnectionEntry>.size == 24)
        #expect(MemoryLayout<MetricsKey>.size == 8)
        #expect(MemoryLayout<MetricsValue>.size == 16)
        #expect(MemoryLayout<ConfigEntry>.size == 88)
        #expect(MemoryLayout<dp_event>.size == 112)
    }

    @Test func endpointKeyIsAddressThenFamily() {
        let bytes = withUnsafeBytes(of: EndpointKey(IPv4Address(192, 168, 1, 10))) { Array($0) }
        #expect(bytes == [192, 168, 1, 10] + [UInt8](repeating: 0, count: 12) + [1, 0, 0, 0])
        #expect(EndpointKey(IPv4Address(192, 168, 1, 10)).address == IPv4Address(192, 168, 1, 10))
    }

    @Test(arguments: [("192.168.2.0/24", 56), ("192.168.2.20/32", 64), ("0.0.0.0/0", 32), ("192.168.2.77/24", 56)])
    func ipcacheKeyCountsFromTheFamily(text: String, bits: UInt32) throws {
        let range = try #require(IPv4CIDR(text))
        let key = IPCacheKey(range)
        let length = withUnsafeBytes(of: key) { $0.load(as: UInt32.self) }
        #expect(length == bits)
        #expect(key.range == range.network)
    }

    @Test func connectionKeyHasPortsInNetworkOrder() {
        let key = ConnectionKey(
            from: IPv4Address(192, 168, 1, 10), 40_000, to: IPv4Address(10, 100, 0, 1), 443, protocol: 6, .service)
        let bytes = withUnsafeBytes(of: key) { Array($0) }
        #expect(Array(bytes[0..<4]) == [192, 168, 1, 10])
        #expect(Array(bytes[16..<20]) == [10, 100, 0, 1])
        #expect(Array(bytes[32..<40]) == [0x9C, 0x40, 0x01, 0xBB, 6, 1, 3, 0])
        #expect(key.sourcePort == 40_000 && key.destinationPort == 443 && key.direction == .service)
    }

    @Test func connectionNamesAreThoseOfTheABI() {
        #expect(ConnectionState.allCases.map(\.description) == ["opening", "established", "closing", "closed"])
        #expect(ConnectionVerdict.allCases.map(\.description) == ["new", "established", "reply", "related"])
        let entry = ConnectionEntry(
            state: .closing, flags: [.replied, .finReply], expires: 9, sourceIdentity: .host, reverseIndex: 3)
        #expect(entry.flags.words == ["replied", "fin-reply"])
        #expect(entry.state == .closing && entry.reverseIndex == 3 && entry.sourceIdentity == .host)
    }

    @Test func entriesGiveBackWhatTheyWereMadeOf() throws {
        let mac = try #require(MACAddress("02:00:00:00:01:0a"))
        let other = try #require(MACAddress("fe:ff:ff:ff:ff:fd"))
        let endpoint = EndpointEntry(
            id: 65_535, identity: Identity(rawValue: 0xFFFFFF), interface: 9, podMAC: mac, hostMAC: other)
        #expect(endpoint.podMAC == mac)
        #expect(endpoint.hostMAC == other)
        #expect(endpoint.id == 65_535)
        #expect(endpoint.interface == 9)
        #expect(!endpoint.isHost)
        #expect(EndpointEntry.host.isHost)
        let interface = InterfaceEntry(
            endpointID: 3, identity: Identity(rawValue: 300), ipv4: IPv4Address(192, 168, 1, 9), podMAC: mac,
            hostMAC: other)
        #expect(interface.ipv4 == IPv4Address(192, 168, 1, 9))
        let remote = IPCacheValue(identity: .remoteNode, tunnelEndpoint: IPv4Address(10, 0, 0, 12))
        #expect(remote.tunnelEndpoint == IPv4Address(10, 0, 0, 12))
        #expect(IPCacheValue(identity: .world).tunnelEndpoint == nil)
    }

    @Test func configurationCarriesVersionAndTracePoints() throws {
        let range = try #require(IPv4CIDR("192.168.1.0/24"))
        let cluster = try #require(IPv4CIDR("192.168.0.0/16"))
        var config = DatapathConfig(
            nodeAddress: IPv4Address(10, 0, 0, 11), routerAddress: IPv4Address(192, 168, 1, 1), podRange: range,
            clusterRanges: [cluster], hostInterface: 3, hostMAC: MACAddress(rawValue: 1), overlayInterface: 4,
            nodeInterface: 2)
        #expect(ConfigEntry(config).tracePoints.isEmpty)
        config.tracePoints = [.toOverlay, .fromNetwork]
        #expect(ConfigEntry(config).tracePoints == [.toOverlay, .fromNetwork])
        #expect(ConfigEntry(config).version == UInt32(DP_ABI_VERSION))
        #expect(ConfigEntry.unconfigured.version == 0)
    }

    @Test func `an agent traces as it is started to, and keeps what was chosen while it ran`() throws {
        let range = try #require(IPv4CIDR("192.168.1.0/24"))
        var config = DatapathConfig(
            nodeAddress: IPv4Address(10, 0, 0, 11), routerAddress: IPv4Address(192, 168, 1, 1), podRange: range,
            clusterRanges: [range], hostInterface: 3, hostMAC: MACAddress(rawValue: 1), overlayInterface: 4,
            nodeInterface: 2)
        func left(_ points: Set<TracePoint>, by isTracing: Bool) -> ConfigEntry {
            config.tracePoints = points
            config.tracesByDefault = isTracing
            return ConfigEntry(config)
        }
        let all = Set(TracePoint.allCases)
        for nothing in [nil, ConfigEntry.unconfigured] {
            #expect(ConfigEntry.tracePoints(after: nothing, isTracing: true) == all)
            #expect(ConfigEntry.tracePoints(after: nothing, isTracing: false).isEmpty)
        }
        // The same setting keeps what was chosen, also if all was switched off or on.
        for points in [[], [.toOverlay], all] {
            #expect(ConfigEntry.tracePoints(after: left(points, by: true), isTracing: true) == points)
            #expect(ConfigEntry.tracePoints(after: left(points, by: false), isTracing: false) == points)
        }
        // Another setting takes the place of what was chosen.
        #expect(ConfigEntry.tracePoints(after: left([.toOverlay], by: true), isTracing: false).isEmpty)
        #expect(ConfigEntry.tracePoints(after: left([], by: false), isTracing: true) == all)
    }

    @Test func `packets that the flow cache serves are counted in the series of the others`() {
        let series = ForwardedKey.cached.compactMap(\.metric)
        #expect(series.count == TrafficDirection.allCases.count * TracePoint.allCases.count)
        #expect(Set(series).count == series.count)
        #expect(series.contains(MetricsKey(reason: .forwarded, direction: .egress, point: .fromEndpoint)))
        #expect(series.contains(MetricsKey(reason: .forwarded, direction: .ingress, point: .fromOverlay)))
    }
}

/// Published numbers. Changing one breaks recorded events.
struct ModelNumberTests {
    @Test func dropReasonsAreAppendOnly() {
        let published = [
            "invalid-source", "truncated", "invalid-ipv4-header", "unsupported-l3", "unsupported-destination",
            "unsupported-arp", "unknown-interface", "unknown-endpoint", "no-tunnel-endpoint", "ttl-exceeded",
            "no-tunnel-key", "tunnel-key-refused", "invalid-identity", "not-configured", "neighbour-chatter",
        ]
        #expect(Array(Reason.drops.map(\.name).prefix(published.count)) == published)
        #expect(Array(Reason.drops.map(\.rawValue).prefix(published.count)) == (1...published.count).map { -Int32($0) })
        #expect(Reason.drops.map(\.rawValue) == Reason.drops.map(\.rawValue).sorted(by: >))
        #expect(Set(Reason.drops.map(\.name)).count == Reason.drops.count)
        #expect(Reason.drops.allSatisfy { $0.isDrop && $0.explanation != nil })
        #expect(Reason.forwarded.name == "forwarded")
        #expect(Reason(rawValue: -999).name == "reason -999")
    }

    @Test func tracePointsAreThoseOfTheABI() {
        let names = [
            "to-endpoint", "from-endpoint", "to-overlay", "from-overlay", "to-stack", "from-network", "from-host",
            "to-host", "to-network", "policy-verdict", "to-proxy",
        ]
        #expect(TracePoint.allCases.map(\.description) == names)
        #expect(names.compactMap { TracePoint(name: $0) } == TracePoint.allCases)
        #expect(TracePoint(name: "to-nowhere") == nil)
    }

    @Test func identitiesThatTravelFitTheVNI() {
        #expect(Identity.labelRange == 256...0xFEFFFF)
        #expect(Identity.localRange == 0xFF0000...0xFFFFFF)
        #expect(Identity.host.rawValue == 1)
        #expect(Identity.remoteNode.rawValue == 6)
        #expect(!Identity(rawValue: 255).isLabelIdentity)
        #expect("\(Identity.remoteNode)" == "reserved:remote-node")
    }
}

struct ModelEventTests {
    private func record(_ change: (inout dp_event) -> Void) -> [UInt8] {
        var event = dp_event()
        event.type = 1
        event.point = 2
        event.direction = 2
        event.reason = -8
        event.family = 1
        event.source = dp_address(word: (IPv4Address(192, 168, 1, 10).networkByteOrder, 0, 0, 0))
        event.file = 1
        event.line = 42
        change(&event)
        return withUnsafeBytes(of: event) { Array($0) }
    }

    @Test func dropTellsReasonAndLine() throws {
        let event = try #require(EventRecord(bytes: record { _ in }))
        #expect(event.kind == .drop)
        #expect(event.reason == .unknownEndpoint)
        #expect(event.point == .fromEndpoint)
        #expect(event.source == IPv4Address(192, 168, 1, 10))
        #expect(event.location?.description == "lxc.bpf.c:42")
        #expect(event.transport == nil)
        #expect(event.tunnel == nil)
    }

    @Test func icmpHasIdentifierAndSequence() throws {
        let event = try #require(
            EventRecord(
                bytes: record {
                    $0.type = 2
                    $0.protocol = 1
                    $0.flags = UInt8(DP_EVENT_L4 | DP_EVENT_ENCAPSULATED)
                    $0.icmp_type = 8
                    $0.source_port = 7
                    $0.destination_port = 9
                    $0.tunnel_id = 300
                    $0.tunnel_family = 1
                    $0.tunnel_remote = dp_address(word: (IPv4Address(10, 0, 0, 12).networkByteOrder, 0, 0, 0))
                }))
        #expect(event.transport == .icmp(type: 8, code: 0, identifier: 7, sequence: 9))
        #expect(event.tunnel?.remote == IPv4Address(10, 0, 0, 12))
        #expect(event.tunnel?.identifier == 300)
        #expect(event.location == nil)
    }

    @Test(arguments: [0, 1, 103, 105, 4096])
    func otherLengthsAreRefused(length: Int) {
        #expect(EventRecord(bytes: [UInt8](repeating: 1, count: length)) == nil)
    }

    @Test func anyBytesAreReadWithoutTrap() {
        var state: UInt64 = 0x6C61_6272_756E
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        var read = 0
        for _ in 0..<5000 {
            var bytes = (0..<112).map { _ in UInt8(truncatingIfNeeded: random()) }
            bytes[8] = UInt8(random() % 4)
            guard let event = EventRecord(bytes: bytes) else { continue }
            read += 1
            #expect(!event.reason.name.isEmpty)
            _ = "\(event)"
        }
        #expect(read > 1000)
    }
}
