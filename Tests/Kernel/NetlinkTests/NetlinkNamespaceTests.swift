import NamespaceHarness
import Testing

@Suite struct NetlinkNamespaceTests {
    @Test(arguments: [
        "netlink-links", "netlink-veth-namespace", "netlink-addresses-routes", "netlink-qdiscs", "netlink-errors",
    ])
    func runsInANamespaceOfItsOwn(_ name: String) throws {
        let outcome = try NamespaceSelftest.run(name)
        #expect(outcome.passed, "\(outcome.output)")
    }
}
