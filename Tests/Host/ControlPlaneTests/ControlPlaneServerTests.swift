import Foundation
import NamespaceHarness
import Testing

/// Real servers, one case after the other: some of them measure.
@Suite(.serialized) struct ControlPlaneServerTests {
    @Test(
        .timeLimit(.minutes(8)),
        arguments: [
            "serves", "own-programs", "wrong-flags", "killed-servers", "new-certificate", "slow-servers",
            "objects-of-files",
        ])
    func runsInNamespacesOfItsOwn(_ name: String) throws {
        let outcome = try NamespaceSelftest.run(name, of: "control-plane-selftest")
        print(outcome.output, terminator: "")
        #expect(outcome.passed, "\(outcome.output)")
    }
}
