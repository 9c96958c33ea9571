import Foundation
import Matrix
import Reports
import RunEvents
import Scenario
import Testing

/// Runs every row of {vxlan, geneve, native, eni} × {bpf, iptables} × {kube-proxy replacement on, off} × {no policy,
/// default deny} on real nodes. There is a lab for each routing mode, whose agents are started again with the next
/// row's values.
@Suite(.serialized) struct ConfigurationMatrixTests {
    @Test(arguments: DatapathConfiguration.Routing.allCases)
    func `every row fares as its model says`(_ routing: DatapathConfiguration.Routing) async throws {
        let rows = DatapathConfiguration.rows(routing, withoutReplacement: .kubeProxy)
        #expect(rows.count == 8)
        let generated = ConfigurationScenario(rows: rows)
        let folder = try ScratchFolder()
        let file = "\(folder.path)/\(generated.name).yaml"
        try generated.lab.write(
            toFile: "\(folder.path)/\(generated.labFile)", atomically: true, encoding: .utf8)
        try generated.text.write(toFile: file, atomically: true, encoding: .utf8)
        let labrun = try LabrunProgram()

        let checked = try await labrun.run(["scenario", "validate", file])
        try #require(checked.status == 0, "\(checked.output)\n\(checked.errors)")

        let before = try HostState.read()
        let ended = try await labrun.run(scenario: file, in: folder)
        let report = try ended.passed(in: folder)
        #expect(report.steps.map(\.name) == rows.map(\.description))
        for (row, step) in zip(rows, report.steps) { check(row, step) }
        let left = try await HostState.leftovers(of: folder, since: before)
        #expect(left.isEmpty)
    }

    private func check(_ row: DatapathConfiguration, _ step: RunReport.Step) {
        #expect(step.verdict == .pass, "\(row)")
        let cells = step.matrix?.cells ?? []
        // Four pods and two nodes call each other, three hosts of the cloud, and two services with three addresses.
        #expect(Set(cells.filter { $0.verdict == .pass }.map(\.key)).count == cells.count && !cells.isEmpty, "\(row)")
        // Something is expected of every cell, and every class of the model occurs.
        let kinds = Set(cells.map { $0.to.prefix { $0 != "/" } })
        #expect(kinds == ["default", "node", "service", "nodeport", "vpc", "internet"], "\(row)")
        let denials = step.expectations.filter { $0.name.hasPrefix("drops") }
        let denied = TrafficClass.all.filter {
            if case .denied = row.expectation(of: $0).result { true } else { false }
        }
        // There is a rule for each node and class, and each names the drop events of its denied cells.
        #expect(denials.count == 2 * denied.count && denials.allSatisfy { $0.state == .met }, "\(row)")
    }
}
