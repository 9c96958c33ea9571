import NamespaceHarness
import Testing

/// A real API server and kubectl before the node's API.
@Suite struct KubectlTests {
    @Test(.timeLimit(.minutes(5))) func runsInNamespacesOfItsOwn() throws {
        let outcome = try NamespaceSelftest.run("kubectl", of: "kubelet-selftest", needsControlPlane: true)
        print(outcome.output, terminator: "")
        #expect(outcome.passed, "\(outcome.output)")
    }
}
