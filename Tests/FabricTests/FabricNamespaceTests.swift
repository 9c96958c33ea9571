import NamespaceHarness
import Testing

@Suite struct FabricNamespaceTests {
    @Test(arguments: [
        "fabric-default-deny", "fabric-vxlan-removed", "fabric-one-way", "fabric-established", "fabric-egress",
        "fabric-icmp-error", "fabric-source-check", "fabric-change-latency", "fabric-tap",
    ])
    func runsInANamespaceOfItsOwn(_ name: String) throws {
        let outcome = try NamespaceSelftest.run(name)
        print(outcome.output, terminator: "")
        #expect(outcome.passed, "\(outcome.output)")
    }
}
