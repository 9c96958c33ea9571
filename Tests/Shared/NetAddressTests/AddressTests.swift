import Foundation
import NetAddress
import Testing

@Suite struct AddressTests {
    @Test(arguments: ["0.0.0.0", "10.0.0.11", "255.255.255.255", "192.168.1.2"])
    func anAddressReadsBackAsWritten(_ text: String) throws {
        let address = try #require(IPv4Address(text))
        #expect(address.description == text)
        #expect(IPv4Address(octets: address.octets) == address)
        #expect(IPv4Address(networkByteOrder: address.networkByteOrder) == address)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1..2.3", "1.2.3.-4", " 1.2.3.4", "1.2.3.1000",
    ])
    func aMalformedAddressIsRefused(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func aPrefixKnowsItsNetworkAndMembers() throws {
        let cidr = try #require(IPv4CIDR("10.0.1.17/20"))
        #expect(cidr.network.description == "10.0.0.0/20")
        #expect(cidr.mask.description == "255.255.240.0")
        #expect(cidr.broadcast.description == "10.0.15.255")
        #expect(cidr.contains(IPv4Address(10, 0, 15, 255)))
        #expect(!cidr.contains(IPv4Address(10, 0, 16, 0)))
        #expect(cidr.host(11)?.description == "10.0.0.11")
        #expect(cidr.host(4096) == nil)
        #expect(IPv4CIDR.any.contains(cidr) && !cidr.contains(IPv4CIDR.any))
        #expect(IPv4CIDR.any.contains(.broadcast))
    }

    @Test(arguments: ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/08", "/8", "10.0.0.0/8/8"])
    func aMalformedPrefixIsRefused(_ text: String) {
        #expect(IPv4CIDR(text) == nil)
    }

    @Test func aNetworkHasNoHostBits() {
        #expect(IPv4CIDR(network: "10.0.0.0/16")?.description == "10.0.0.0/16")
        #expect(IPv4CIDR(network: "0.0.0.0/0") == .any)
        #expect(IPv4CIDR(network: "10.0.0.1/16") == nil && IPv4CIDR(network: "10.0.0/8") == nil)
    }

    @Test(arguments: [
        ("10.0.0.0/16", "10.0.1.0/24", true), ("10.0.1.0/24", "10.0.0.0/16", true), ("0.0.0.0/0", "10.0.0.0/8", true),
        ("10.0.0.0/24", "10.0.1.0/24", false),
    ])
    func prefixesOverlapWhereOneHoldsTheOther(first: String, second: String, overlap: Bool) throws {
        #expect(try #require(IPv4CIDR(first)).overlaps(#require(IPv4CIDR(second))) == overlap)
    }

    @Test func aMACReadsBackInLowerCase() throws {
        let mac = try #require(MACAddress("52:54:00:0A:bc:01"))
        #expect(mac.description == "52:54:00:0a:bc:01")
        #expect(MACAddress(octets: mac.octets) == mac)
        #expect(!mac.isGroup)
        #expect(MACAddress(rawValue: .max).isGroup)
    }

    @Test(arguments: [
        "", "52:54:00:0a:bc", "52-54-00-0a-bc-01", "5:54:00:0a:bc:01", "52:54:00:0a:bc:0g", "52:54:00:0a:bc:01:",
    ])
    func aMalformedMACIsRefused(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test func valuesAreCodedAsText() throws {
        let value = [IPv4CIDR.any, IPv4CIDR(host: .loopback)]
        let json = try JSONEncoder().encode(value)
        #expect(try JSONDecoder().decode([String].self, from: json) == ["0.0.0.0/0", "127.0.0.1/32"])
        #expect(try JSONDecoder().decode([IPv4CIDR].self, from: json) == value)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([MACAddress].self, from: Data(#"["nonsense"]"#.utf8))
        }
    }
}
