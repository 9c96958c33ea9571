import LinuxKernel
import NetAddress
import Testing

@testable import Fabric

@Suite struct CaptureTests {
    @Test func theSectionAndInterfaceBlocksAreExact() {
        let bytes = PcapNG.preamble(interface: "tap1", description: "node1", snapLength: 128)
        let section: [UInt8] =
            [0x0A, 0x0D, 0x0D, 0x0A, 44, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0]
            + [UInt8](repeating: 0xFF, count: 8) + [4, 0, 6, 0] + Array("labrun".utf8) + [0, 0, 0, 0, 0, 0] + [
                44, 0, 0, 0,
            ]
        let interface: [UInt8] =
            [1, 0, 0, 0, 52, 0, 0, 0, 1, 0, 0, 0, 128, 0, 0, 0, 2, 0, 4, 0] + Array("tap1".utf8)
            + [3, 0, 5, 0] + Array("node1".utf8) + [0, 0, 0] + [9, 0, 1, 0, 9, 0, 0, 0] + [0, 0, 0, 0] + [52, 0, 0, 0]
        #expect(bytes == section + interface)
    }

    @Test func aPacketBlockIsExact() {
        var bytes: [UInt8] = []
        [UInt8]([1, 2, 3, 4, 5]).withUnsafeBytes {
            PcapNG.appendPacket(to: &bytes, time: 0x0102_0304_0506_0708, bytes: $0, length: 1500, direction: .toNode)
        }
        #expect(
            bytes == [6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 5, 0, 0, 0, 0xDC, 5, 0, 0]
                + [1, 2, 3, 4, 5, 0, 0, 0] + [2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0] + [52, 0, 0, 0])
    }

    @Test func theMemoryForgetsTheOldestAndSaysSo() {
        var ring = SightingRing(capacity: 3)
        for time in 1...5 as ClosedRange<Int64> {
            ring.append(Seen(time: time, wallTime: time, direction: .toNode, packet: DecodedPacket(), length: 60))
        }
        var times: [Int64] = []
        ring.forEach(since: .min) { times.append($0.time) }
        #expect(times == [3, 4, 5])
        #expect(ring.isComplete(since: 3) && !ring.isComplete(since: 2))
    }

    @Test func aFilterHoldsAllItsConditions() {
        let inner = FlowHeader(
            source: IPv4Address(192, 168, 1, 5), destination: IPv4Address(192, 168, 2, 7), protocol: 1, length: 28)
        let outer = FlowHeader(
            source: IPv4Address(10, 0, 0, 11), destination: IPv4Address(10, 0, 0, 12), protocol: 17, sourcePort: 1,
            destinationPort: 8472, length: 78)
        let sighting = PacketSighting(
            interfaceID: "eni-1", node: "node1", tap: "tap1", direction: .fromNode,
            time: MonotonicTime(nanoseconds: 1), outer: outer, vni: 9, inner: inner, length: 92)
        #expect(FlowFilter().matches(sighting))
        #expect(FlowFilter(outerDestinationPort: 8472, protocol: 1, vni: 9, source: inner.source).matches(sighting))
        for other in [
            FlowFilter(node: "node2"), FlowFilter(direction: .toNode), FlowFilter(outerDestinationPort: 1),
            FlowFilter(protocol: 17), FlowFilter(vni: 8), FlowFilter(isEncapsulated: false),
            FlowFilter(source: outer.source), FlowFilter(destination: outer.destination),
        ] {
            #expect(!other.matches(sighting))
        }
    }

    @Test func nftablesAnswersAreRead() throws {
        let json = """
            {"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "ip", "name": "labrun", "handle": \
            1}},
            {"set": {"name": "members-sg", "type": "ipv4_addr", "elem": ["10.0.0.12", "10.0.0.11"]}},
            {"map": {"name": "ingress_chains", "type": "mark", "map": "verdict"}},
            {"rule": {"chain": "nic1-ingress", "handle": 9, "comment": "sg/vxlan", "expr": [
              {"match": {"right": 8472, "op": "=="}}, {"counter": {"packets": 3, "bytes": 120}}, {"accept": null}]}}]}
            """
        let listing = try NftablesListing(json: json)
        #expect(listing.elements == ["members-sg": ["\"10.0.0.11\"", "\"10.0.0.12\""], "ingress_chains": []])
        let rule = try #require(listing.rules.first)
        #expect(rule.handle == 9 && rule.packets == 3 && rule.bytes == 120 && rule.comment == "sg/vxlan")
        #expect(rule.expression == #"[{"match":{"op":"==","right":8472}},{"counter":null},{"accept":null}]"#)
        #expect(throws: FabricError.self) { try NftablesListing(json: "nonsense") }
    }
}
