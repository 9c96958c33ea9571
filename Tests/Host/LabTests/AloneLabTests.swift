import RunEvents
import Testing

/// Labs beside which no other one runs, because they make a claim about time or need the memory.
@Suite(.serialized) struct AloneLabTests {
    @Test(arguments: ShippedScenarioTests.timed.sorted())
    func `passes and leaves nothing behind`(name: String) async throws {
        _ = try await FinishedRun.passing(name, alone: true)
    }

    @Test func `a lab of twelve nodes`() async throws {
        let run = try await FinishedRun(
            LabrunProgram.scenario("everything-open"), alone: true, ["--nodes", "12"])
        run.expectAllPairs(nodes: 12)
    }

    @Test func `24 pods are measured in little more than a round trip`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("pods-24"), alone: true)
        run.ended.expectPass(run.report)
        #expect(run.report.steps.first?.matrix?.cells.count == 24 * 23 * 3)
    }

    /// 9,900 ordered pairs over three protocols: 33 or 34 pods a node of 128 MiB.
    @Test func `100 pods exhaust neither descriptors nor memory`() async throws {
        let run = try await FinishedRun(LabrunProgram.scenario("pods-100"), alone: true)
        run.ended.expectPass(run.report)
        #expect(run.report.steps.first?.matrix?.cells.count == 100 * 99 * 3)
    }
}
