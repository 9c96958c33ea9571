import NamespaceHarness
import Testing

// They run one after the other, because some of them measure.
@Suite(.serialized) struct FabricNamespaceTests {
    @Test(arguments: [
        "fabric-default-deny", "fabric-vxlan-removed", "fabric-one-way", "fabric-rule-standing", "fabric-established",
        "fabric-egress", "fabric-icmp-error", "fabric-source-check", "fabric-no-source-check", "fabric-change-latency",
        "fabric-tap", "fabric-capture-sides", "fabric-flow-log", "fabric-flow-log-full", "fabric-capture-files",
        "fabric-capture-ring",
        "fabric-link-flap", "fabric-detach",
        "fabric-load", "router-subnets", "router-refusals", "router-discards", "router-internet", "router-routes",
        "router-routes-change", "router-secondary", "cloud-services", "cloud-interfaces", "balancer-forwards",
    ])
    func runsInANamespaceOfItsOwn(_ name: String) throws {
        let outcome = try NamespaceSelftest.run(name)
        print(outcome.output, terminator: "")
        #expect(outcome.passed, "\(outcome.output)")
    }
}
