import NamespaceHarness
import Testing

/// The prober and the streams between real network namespaces, as `labnode` runs them.
@Suite(.serialized) struct ProberTests {
    @Test(arguments: ["all-pairs", "outcomes", "loss", "streams", "no-slot", "slow-reader", "foreign-server"])
    func inNamespacesOfItsOwn(_ name: String) throws {
        let outcome = try NamespaceSelftest.run(name, of: "prober-selftest")
        #expect(outcome.passed, "\(outcome.output)")
        print(outcome.output)
    }
}
