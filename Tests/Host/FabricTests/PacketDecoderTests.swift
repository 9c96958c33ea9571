import NetAddress
import Testing

@testable import Fabric

@Suite struct PacketDecoderTests {
    @Test func aTunnelledEchoIsReadToItsSequenceNumber() {
        let packet = decode(PacketBytes.tunnelled)
        #expect(packet.outer?.destinationPort == 8472)
        #expect(packet.outer?.sourcePort == 45_000)
        #expect(packet.vni == 0x01_0203)
        #expect(packet.inner?.source == IPv4Address(192, 168, 1, 5))
        #expect(packet.inner?.icmp == ICMPHeader(type: 8, code: 0, identifier: 77, sequence: 3))
        #expect(packet.sourceMAC == 0x02_0000_0000_02 && packet.destinationMAC == 0x02_0000_0000_01)
        // 20 + 8 + 8 + 14 + 20 + 8
        #expect(packet.outer?.length == 78 && packet.inner?.length == 28)
    }

    @Test(arguments: [4789, 8472])
    func bothPortsOfVXLANAreKnown(_ port: Int) {
        let frame = PacketBytes.ethernet(PacketBytes.ipv4([], protocol: 50))
        let packet = decode(
            PacketBytes.ethernet(
                PacketBytes.ipv4(PacketBytes.udp(PacketBytes.vxlan(frame, vni: 9), to: port), protocol: 17)))
        #expect(packet.vni == 9 && packet.inner?.protocol == 50)
    }

    @Test func withoutTheValidFlagItIsNoTunnel() {
        let frame = PacketBytes.vxlan(PacketBytes.tunnelled, vni: 9, flags: 0)
        #expect(
            decode(PacketBytes.ethernet(PacketBytes.ipv4(PacketBytes.udp(frame, to: 8472), protocol: 17))).vni == nil)
    }

    @Test(arguments: [[], [1, 2, 3, 4]] as [[UInt8]])
    func geneveIsReadPastItsOptions(_ options: [UInt8]) {
        let frame = PacketBytes.ethernet(PacketBytes.ipv4([], protocol: 50))
        let datagram = PacketBytes.udp(PacketBytes.geneve(frame, vni: 0x01_0203, options: options), to: 6081)
        let packet = decode(PacketBytes.ethernet(PacketBytes.ipv4(datagram, protocol: 17)))
        #expect(packet.vni == 0x01_0203 && packet.inner?.protocol == 50)
        let other = PacketBytes.udp(PacketBytes.geneve(frame, vni: 9, type: 0x0800), to: 6081)
        #expect(decode(PacketBytes.ethernet(PacketBytes.ipv4(other, protocol: 17))).vni == nil)
    }

    @Test func tcpFlagsAreRead() {
        let packet = decode(
            PacketBytes.ethernet(PacketBytes.ipv4(PacketBytes.tcp(from: 1, to: 8080, flags: 0x12), protocol: 6)))
        #expect(packet.outer?.tcpFlags == 0x12 && packet.outer?.destinationPort == 8080)
    }

    @Test func optionsAndTagsMoveThePorts() {
        let datagram = PacketBytes.ipv4(PacketBytes.udp([], to: 53), protocol: 17, options: [1, 1, 1, 0])
        let tags: [UInt8] = [0x88, 0xA8, 0, 5, 0x81, 0, 0, 6]
        #expect(decode(PacketBytes.ethernet(datagram, tags: tags)).outer?.destinationPort == 53)
    }

    @Test func aLaterFragmentHasNoPorts() {
        let packet = decode(
            PacketBytes.ethernet(PacketBytes.ipv4(PacketBytes.udp([], to: 8472), protocol: 17, fragment: 185)))
        #expect(packet.outer?.isLaterFragment == true && packet.outer?.destinationPort == 0 && packet.vni == nil)
    }

    @Test func whatIsNotIPv4HasItsEtherType() {
        let packet = decode(PacketBytes.ethernet([0, 1], type: 0x0806))
        #expect(packet.etherType == 0x0806 && packet.outer == nil)
        #expect(decode([]).etherType == 0)
    }

    @Test func everyTruncationIsRead() {
        for length in 0..<PacketBytes.tunnelled.count {
            let packet = decode(Array(PacketBytes.tunnelled.prefix(length)))
            #expect(length >= 34 || packet.outer == nil)
        }
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 8472)
        var (packets, inner) = (0, 0)
        for round in 0..<100_000 {
            var bytes = round % 2 == 0 ? PacketBytes.tunnelled : [UInt8]()
            if bytes.isEmpty {
                bytes = (0..<Int(random.next() % 160)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            for _ in 0..<Int(random.next() % 8) where !bytes.isEmpty {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count + 1))))
            let packet = decode(bytes)
            #expect(bytes.count >= 34 || packet.outer == nil)
            #expect(packet.outer != nil || packet.inner == nil)
            packets += packet.outer == nil ? 0 : 1
            inner += packet.inner == nil ? 0 : 1
            #expect(bytes.withUnsafeBytes { NetfilterLogEntry($0) } == nil)
        }
        #expect(packets > 1000 && inner > 1000, "\(packets) packets were read, \(inner) with one inside")
    }
}

/// A seeded generator (Steele, Lea and Flood, 2014), which gives the same bytes in every run.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
