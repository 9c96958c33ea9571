import Reports
import RunEvents
import Testing

/// A node with Kubernetes' own kubelet. All of its ways are compared with the light one's by `make conformance`.
@Suite(.serialized) struct RealKubeletLabTests {
    @Test func `a real kubelet runs pods over the network under test`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("real-kubelet"), alone: true)
        run.ended.expectPass(run.report)
        let cells = run.report.steps.first?.matrix?.cells ?? []
        #expect(!cells.isEmpty && cells.allSatisfy { $0.verdict == .pass })
    }
}
