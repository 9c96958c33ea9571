import CNI
import NetAddress
import Testing

@testable import NodePlugins

@Suite struct PluginTests {
    private func configuration(_ rest: String) throws -> CNIConfiguration {
        try CNIConfiguration(parsing: #"{"cniVersion":"1.0.0","name":"cloud","type":"labrun-ptp"\#(rest)}"#)
    }

    @Test func addressesBeginWhereTheRangeStarts() throws {
        let plugin = try PointToPoint(
            try configuration(#","subnet":"192.168.1.0/24","rangeStart":"192.168.1.128","mtu":1400"#))
        #expect(plugin.mtu == 1400)
        #expect(plugin.addresses.first { _ in true } == IPv4Address(192, 168, 1, 128))
        #expect(plugin.addresses.reduce(0) { count, _ in count + 1 } == 127)
        let whole = try PointToPoint(try configuration(#","subnet":"192.168.1.0/30""#))
        #expect(Array(whole.addresses) == [IPv4Address(192, 168, 1, 1), IPv4Address(192, 168, 1, 2)])
    }

    @Test(arguments: [
        "", #","subnet":"x""#, #","subnet":"10.0.0.0/31""#, #","subnet":"10.0.0.0/24","rangeStart":"10.0.1.1""#,
        #","subnet":"10.0.0.0/24","rangeStart":"10.0.0.0""#, #","subnet":"10.0.0.0/24","rangeStart":"x""#,
    ])
    func aBrokenRangeIsRefused(_ rest: String) {
        let error = #expect(throws: CNIError.self) { try PointToPoint(try configuration(rest)) }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test func anAttachmentHasOneInterfaceName() throws {
        func environment(_ container: String) throws -> CNIEnvironment {
            try CNIEnvironment(command: "ADD", containerID: container, netns: "/n", interface: "eth0", arguments: "")
        }
        let name = PointToPoint.hostInterface(try environment("a"))
        #expect(name == PointToPoint.hostInterface(try environment("a")))
        #expect(name != PointToPoint.hostInterface(try environment("b")))
        #expect(CNIEnvironment.isInterfaceName(name) && name.hasPrefix("veth"))
    }

    @Test(arguments: NodePlugins.names.sorted())
    func everyPluginTellsItsVersionsAndRefusesWhatIsBroken(_ name: String) {
        let (versions, status) = NodePlugins.answer(name, { $0 == "CNI_COMMAND" ? "VERSION" : "" }, "")
        #expect(status == 0 && versions.contains("1.0.0"))
        let (error, failed) = NodePlugins.answer(name, { _ in "" }, "{}")
        #expect(failed == 1 && error.contains(#""code":4"#))
        let variables = ["CNI_COMMAND": "CHECK", "CNI_CONTAINERID": "a", "CNI_NETNS": "/n", "CNI_IFNAME": "eth0"]
        let text = #"{"cniVersion":"1.0.0","name":"cloud","subnet":"10.0.0.0/24"}"#
        let (check, refused) = NodePlugins.answer(name, { variables[$0] ?? "" }, text)
        #expect(refused == 1 && check.contains("prevResult"))
    }
}
