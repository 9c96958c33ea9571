import Foundation
import NamespaceHarness
import Testing

/// Real servers, one case after the other: some of them measure.
@Suite(.serialized) struct ControlPlaneServerTests {
    @Test(
        .timeLimit(.minutes(8)),
        arguments: [
            "serves", "own-programs", "wrong-flags", "killed-servers", "new-certificate", "slow-servers", "client",
            "many-clients", "cut-cable", "objects-of-files", "operator", "field-manifests",
            "cloud-controller", "mutated-requests",
        ])
    func runsInNamespacesOfItsOwn(_ name: String) throws {
        let outcome = try NamespaceSelftest.run(name, of: "control-plane-selftest", needsControlPlane: true)
        print(outcome.output, terminator: "")
        #expect(outcome.passed, "\(outcome.output)")
    }

    /// Whatever ends the lab host, its servers end with it.
    @Test(.timeLimit(.minutes(8))) func noServerOutlivesItsHost() throws {
        let outcome = try NamespaceSelftest.run("end-of-host", of: "control-plane-selftest", needsControlPlane: true)
        #expect(outcome.passed, "\(outcome.output)")
        let last = try #require(outcome.output.split(separator: "\n").last)
        let folder = try #require(last.split(separator: " ").last)
        #expect(folder.hasPrefix("/"))
        // Where its files were mounted.
        rmdir(URL(filePath: String(folder)).deletingLastPathComponent().path)
        for number in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int(number) != nil {
            let words = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") ?? Data()
            #expect(!String(decoding: words, as: UTF8.self).contains(folder), "process \(number) is left")
        }
    }
}
