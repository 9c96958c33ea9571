import NamespaceHarness
import Testing

/// The main scenario on the kernels that it does not run on by default.
@Suite(.serialized) struct KernelScenarioTests {
    @Test(arguments: ["5.10", "6.12", "7.2"])
    func `vxlan blocked passes`(kernel: String) async throws {
        let folder = try TestFolder()
        let lane = await LabLanes.shared.lane()
        defer { lane.end() }
        let ended = try await BuiltLabrun.run([
            "scenario", "vxlan-blocked-8472", "--nodes", "2", "--kernel", kernel, "--no-color", "--report-dir",
            folder.path,
        ])
        #expect(ended.status == 0, "\(ended.output)\n\(ended.errors)")
        #expect(ended.output.contains("kernel \(kernel)."))
        #expect(ended.output.contains("PASS"))
    }
}
