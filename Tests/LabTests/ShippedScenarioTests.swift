import Foundation
import RunEvents
import ShippedScenarios
import Testing

/// Every scenario that ships, on real nodes.
@Suite(.serialized) struct ShippedScenarioTests {
    @Test(arguments: ShippedScenarios.names)
    func `passes and leaves nothing behind`(name: String) async throws {
        let labrun = try LabrunProgram()
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let ended = try await labrun.run(scenario: name, in: folder)
        let report = try ended.passed(in: folder)
        #expect(report.steps.contains { $0.matrix?.cells.isEmpty == false })
        let left = try await HostState.leftovers(of: folder, since: before)
        #expect(left.isEmpty)
    }

    /// The main scenario says what the field report says, from evidence.
    @Test func `vxlan blocked names group, port and direction, and shows the wire`() async throws {
        let labrun = try LabrunProgram()
        let folder = try ScratchFolder()
        let ended = try await labrun.run([
            "scenario", "vxlan-blocked-8472", "--report-dir", "\(folder.path)/report", "--output", "json",
        ])
        let report = try ended.passed(in: folder)
        let blocked = try #require(report.steps.first { $0.name == "blocked" })
        let finding = try #require(blocked.diagnosis?.found.first)
        #expect(finding.id == "underlay/vxlan-port-blocked")
        let text = ([finding.summary] + finding.evidence).joined(separator: "\n")
        for word in ["nodes", "8472", "ingress", "REJECT"] { #expect(text.contains(word)) }
        let cells = blocked.matrix?.cells ?? []
        let cross = cells.filter { $0.from.hasPrefix("default/") && $0.observed == .timeout }
        #expect(!cross.isEmpty)
        #expect(cross.allSatisfy { cell in cell.why.contains { $0.hop == "sender-tap" && $0.seen == true } })
        #expect(cross.allSatisfy { cell in cell.why.contains { $0.hop == "receiver-tap" && $0.seen == false } })
        #expect(report.steps.first { $0.name == "blocked" }?.health.allSatisfy { $0.reachable == 1 } == true)
    }
}
