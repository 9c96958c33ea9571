import AgentAPI
import DatapathOptions
import NetAddress
import Netlink
import Testing

@testable import Datapath

@Suite struct RoutingTests {
    private func plan(_ values: [String: String]) throws -> RoutingPlan {
        try RoutingPlan(try DatapathOptions(values: values))
    }

    @Test func whatIsLeftOutIsAVXLANOverlay() throws {
        let plan = try plan([:])
        #expect(plan.tunnel == .vxlan && plan.tunnelPort == 8472)
        #expect(!plan.makesNodeRoutes && plan.nativeRange == nil)
        #expect(plan.text == "Tunnel [vxlan]")
    }

    @Test(arguments: [
        (["routingMode": "tunnel"], 1500, 1450), (["tunnelProtocol": "geneve"], 1500, 1450),
        (["routingMode": "native"], 1500, 1500), (["routingMode": "native"], 9001, 9001), ([:], 9001, 8951),
        (["MTU": "1400"], 9001, 1350),
    ])
    func theMTUFollowsFromTheDevice(_ values: [String: String], _ device: Int, _ expected: Int) throws {
        #expect(try plan(values).routeMTU(deviceMTU: device) == expected)
    }

    @Test(arguments: [["autoDirectNodeRoutes": "true"], ["MTU": "300"]])
    func whatCannotWorkIsRefused(_ values: [String: String]) {
        #expect(throws: DatapathError.self) { try plan(values) }
    }

    @Test func theOverlaysDifferInDeviceAndPort() {
        #expect(TunnelProtocol.allCases.map(\.device) == ["labrun_vxlan", "labrun_geneve"])
        #expect(TunnelProtocol.allCases.map(\.standardPort) == [8472, 6081])
    }

    private func node(_ number: Int, _ address: String) -> NodeEntry {
        NodeEntry(
            name: "node\(number)", address: address, podCIDR: "192.168.\(number).0/24",
            routerAddress: "192.168.\(number).1", healthAddress: "192.168.\(number).2")
    }

    private func range(_ text: String) throws -> IPv4CIDR { try #require(IPv4CIDR(text)) }

    private func desired(makesNodeRoutes: Bool) throws -> (routes: [Route], refused: [String]) {
        NodeRoutes.desired(
            local: [try range("192.168.1.0/24")], router: IPv4Address(192, 168, 1, 1), hostIndex: 3, deviceIndex: 2,
            onLink: [try range("10.0.0.0/24")], mtu: 1500, own: "node1",
            nodes: [node(1, "10.0.0.11"), node(2, "10.0.0.12"), node(3, "10.9.0.13")],
            makesNodeRoutes: makesNodeRoutes)
    }

    @Test func everyNodeOnTheLinkHasARoute() throws {
        let (routes, refused) = try desired(makesNodeRoutes: true)
        #expect(
            routes == [
                Route(
                    to: try range("192.168.1.0/24"), linkIndex: 3, source: IPv4Address(192, 168, 1, 1), mtu: 1500,
                    origin: 108),
                Route(
                    to: try range("192.168.2.0/24"), via: IPv4Address(10, 0, 0, 12), linkIndex: 2, mtu: 1500,
                    origin: 108),
            ])
        #expect(refused.count == 1)
        #expect(refused.first?.contains("node3 (10.9.0.13)") == true)
    }

    @Test func withoutAutoDirectNodeRoutesTheCloudRoutes() throws {
        let (routes, refused) = try desired(makesNodeRoutes: false)
        #expect(routes.map(\.destination.description) == ["192.168.1.0/24"])
        #expect(refused.isEmpty)
    }
}
