import AgentAPI
import NetAddress
import Testing

@testable import Datapath

@Suite struct IPCachePlanTests {
    private func node(_ number: Int) -> NodeEntry {
        NodeEntry(
            name: "node\(number)", address: "10.0.0.1\(number)", podCIDR: "192.168.\(number).0/24",
            routerAddress: "192.168.\(number).1", healthAddress: "192.168.\(number).2")
    }

    private func endpoint(_ address: String, phase: EndpointRecord.Phase = .ready) -> EndpointRecord {
        EndpointRecord(
            id: 1, containerID: "c", interface: "eth0", netns: "", namespace: "", name: "p", labels: [:], identity: 777,
            address: address, hostInterface: "", ifindex: 0, mac: "", hostMAC: "", phase: phase)
    }

    private func described(_ content: [IPv4CIDR: IPCachePlan.Value]) -> [String] {
        content.sorted { $0.key < $1.key }.map {
            "\($0.key) \($0.value.identity)" + ($0.value.tunnelEndpoint.map { " \($0)" } ?? "")
        }
    }

    @Test func everyNodeAndEndpointHasItsEntry() throws {
        let content = try IPCachePlan.desired(
            own: node(1), nodes: [node(1), node(2)],
            remote: [IPCacheEntry(address: "192.168.2.9", prefix: 32, identity: 999, tunnelEndpoint: "10.0.0.12")],
            endpoints: [endpoint("192.168.1.5"), endpoint("192.168.1.6", phase: .creating)])
        #expect(
            described(content) == [
                "10.0.0.11/32 1", "10.0.0.12/32 6", "192.168.1.1/32 1", "192.168.1.5/32 777",
                "192.168.2.0/24 3 10.0.0.12", "192.168.2.1/32 6 10.0.0.12", "192.168.2.2/32 4 10.0.0.12",
                "192.168.2.9/32 999 10.0.0.12",
            ])
    }

    @Test func rangesOfPoliciesYieldToWhatIsKnownBetter() throws {
        func range(_ text: String) throws -> IPv4CIDR { try #require(IPv4CIDR(text)) }
        let content = try IPCachePlan.desired(
            own: node(1), nodes: [node(1), node(2)], remote: [], endpoints: [endpoint("192.168.1.5")],
            ranges: [
                try range("1.1.1.0/24"): 0xFF0000, try range("0.0.0.0/0"): 0xFF0001,
                // These are inside of pods' ranges: a node, and another node's whole range.
                try range("192.168.1.128/25"): 0xFF0002, try range("192.168.2.128/25"): 0xFF0003,
                try range("10.0.0.12/32"): 0xFF0004, try range("192.168.2.0/24"): 0xFF0005,
                // These contain pods' ranges.
                try range("192.168.0.0/16"): 0xFF0006,
            ])
        #expect(
            described(content) == [
                "0.0.0.0/0 16711681", "1.1.1.0/24 16711680", "10.0.0.11/32 1", "10.0.0.12/32 6",
                "192.168.0.0/16 16711686",
                "192.168.1.1/32 1", "192.168.1.5/32 777", "192.168.2.0/24 3 10.0.0.12", "192.168.2.1/32 6 10.0.0.12",
                "192.168.2.2/32 4 10.0.0.12",
            ])
    }

    @Test func theAPIServerIsItselfWhereverItIs() throws {
        let content = try IPCachePlan.desired(
            own: node(1), nodes: [node(2)], remote: [], endpoints: [],
            apiServers: [IPv4Address(10, 0, 0, 12), IPv4Address(10, 0, 0, 11), IPv4Address(172, 16, 0, 1)])
        #expect(
            described(content).filter { !$0.hasPrefix("192.168") } == [
                // The node itself keeps the identity "host".
                "10.0.0.11/32 1", "10.0.0.12/32 7", "172.16.0.1/32 7",
            ])
    }

    @Test func aPushedListDoesNotOverruleTheNodeAboutItself() throws {
        let content = try IPCachePlan.desired(
            own: node(1), nodes: [],
            remote: [
                IPCacheEntry(address: "192.168.1.5", prefix: 32, identity: 1, tunnelEndpoint: "10.0.0.11"),
                IPCacheEntry(address: "192.168.1.99", prefix: 32, identity: 1, tunnelEndpoint: "10.0.0.12"),
            ], endpoints: [endpoint("192.168.1.5")])
        #expect(described(content) == ["10.0.0.11/32 1", "192.168.1.1/32 1", "192.168.1.5/32 777"])
    }

    @Test(arguments: ["", "10.0.0", "10.0.0.1.1", "10.0.0.1/24", "a"])
    func aMalformedAddressIsRefusedAsAWhole(_ text: String) {
        #expect(throws: DatapathError.self) {
            try IPCachePlan.desired(
                own: node(1), nodes: [],
                remote: [IPCacheEntry(address: text, prefix: 32, identity: 1, tunnelEndpoint: nil)], endpoints: [])
        }
        #expect(throws: DatapathError.self) {
            try IPCachePlan.desired(
                own: node(1), nodes: [],
                remote: [IPCacheEntry(address: "10.1.1.1", prefix: 33, identity: 1, tunnelEndpoint: nil)], endpoints: []
            )
        }
    }

    @Test func aNodeThatClaimsThisNodesAddressIsRefused() {
        let twin = NodeEntry(
            name: "twin", address: "10.0.0.11", podCIDR: "192.168.7.0/24", routerAddress: "192.168.7.1",
            healthAddress: "192.168.7.2")
        #expect(throws: DatapathError.self) {
            try IPCachePlan.desired(own: node(1), nodes: [twin], remote: [], endpoints: [])
        }
    }

    @Test func onlyDifferencesAreWritten() throws {
        let before = try IPCachePlan.desired(own: node(1), nodes: [node(2), node(3)], remote: [], endpoints: [])
        let after = try IPCachePlan.desired(
            own: node(1), nodes: [node(2)], remote: [], endpoints: [endpoint("192.168.1.5")])
        let difference = IPCachePlan.difference(from: before, to: after)
        #expect(described(difference.set) == ["192.168.1.5/32 777"])
        #expect(
            difference.remove.map(\.description).sorted() == [
                "10.0.0.13/32", "192.168.3.0/24", "192.168.3.1/32", "192.168.3.2/32",
            ])
        #expect(IPCachePlan.difference(from: after, to: after) == IPCachePlan.Difference())
    }
}
