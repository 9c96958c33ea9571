import NetAddress
import Testing

@testable import Netlink

@Suite struct NetfilterMessageTests {
    private static func words(_ text: String) -> [UInt8] {
        text.split(whereSeparator: \.isWhitespace).compactMap { UInt8($0, radix: 16) }
    }

    /// As `nft delete table ip t` sends it (strace of nftables 1.0.6), little-endian.
    @Test func aBatchOfOne() {
        let bytes = NetfilterBatch.encode([.table(.delete, "t")], inBatch: true)
        #expect(
            bytes
                == Self.words(
                    """
                    14 00 00 00  10 00  01 00  00 00 00 00  00 00 00 00  00 00 00 0a
                    1c 00 00 00  02 0a  05 00  01 00 00 00  00 00 00 00  02 00 00 00
                    06 00 01 00  74 00 00 00
                    14 00 00 00  11 00  01 00  02 00 00 00  00 00 00 00  00 00 00 0a
                    """))
    }

    @Test func theTableIsReplacedInOneTransaction() throws {
        let table = MasqueradeTable(
            name: "t", source: try #require(IPv4CIDR("192.168.1.0/24")),
            exclusions: [try #require(IPv4CIDR("192.168.0.0/16"))], interfaces: [.named("eth0"), .prefix("ens")])
        let types = table.messages(replacing: true).map { $0.type & 0xFF }
        #expect(types == [0, 2, 0, 3, 6, 6, 6])
    }

    @Test func aRuleComparesTheMaskedAddress() throws {
        let range = try #require(IPv4CIDR("10.1.0.0/16"))
        let parts = NetfilterExpression.destination(in: range).parts
        #expect(parts.map(\.name) == ["payload", "bitwise", "cmp"])
        #expect(parts[0].data.bytes.contains(16))
        #expect(Array(parts[2].data.bytes.suffix(4)) == [10, 1, 0, 0])
    }

    @Test(arguments: [
        (MasqueradeTable.Interface.named("eth0"), 16), (.prefix("ens"), 3), (.named("averyverylongname"), 16),
    ])
    func interfaceNames(_ interface: MasqueradeTable.Interface, _ length: Int) {
        let parts = NetfilterExpression.leaves(by: interface).parts
        #expect(parts.map(\.name) == ["meta", "cmp"])
        // register 8, operator 8, then data: header 4, value header 4, value padded.
        #expect(parts[1].data.bytes.count == 24 + (length + 3) & ~3)
    }

    @Test func answers() {
        var bytes = NetlinkBytes()
        bytes.message(type: 2, flags: 0, sequence: 7) { $0.append(Self.words("fe ff ff ff 00 00 00 00")) }
        bytes.message(type: 0x0A00, flags: 0, sequence: 7) { $0.append([1, 2, 3, 4]) }
        bytes.message(type: 2, flags: 0, sequence: 8) { $0.append([0, 0, 0, 0]) }
        let found = NetlinkAnswers.acknowledgements(in: bytes.bytes)
        #expect(found.map(\.sequence) == [7, 8] && found.map(\.error) == [2, 0])
    }

    /// Whatever bytes a socket delivers are read as a list of the acknowledgements that are whole.
    @Test func noise() {
        var state: UInt64 = 0x6C61_6272
        var whole = 0
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let count = Int(state >> 33) % 80
            var bytes = (0..<count).map { UInt8(truncatingIfNeeded: state >> UInt64($0 % 56)) &+ UInt8($0) }
            let isCrafted = count > 6 && state & 1 == 0
            if isCrafted { bytes.replaceSubrange(0..<6, with: [UInt8(count), 0, 0, 0, 2, 0]) }
            let found = NetlinkAnswers.acknowledgements(in: bytes)
            // An acknowledgement has a header of 16 bytes and an error of 4.
            if isCrafted, count >= 20 {
                whole += 1
                let sequence = bytes[8..<12].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                #expect(found.map(\.sequence) == [sequence])
            } else if count < 20 || isCrafted {
                #expect(found.isEmpty, "\(bytes)")
            }
        }
        #expect(whole > 1_000)
    }
}
