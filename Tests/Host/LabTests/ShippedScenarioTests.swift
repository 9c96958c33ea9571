import Foundation
import Reports
import RunEvents
import ShippedScenarios
import Testing

/// Every scenario that ships, on real nodes.
@Suite(.serialized) struct ShippedScenarioTests {
    private static let main = "vxlan-blocked-8472"

    /// Scenarios that make claims about time, so that no other lab may run beside them.
    static let timed: Set = ["agent-restart", "api-server-outage", "node-joins"]

    /// Scenarios with the same lab, which one command runs. Whoever runs them finds that they share it.
    static let together = [
        "vxlan-blocked-8472", "vxlan-blocked-one-way", "link-flap", "lossy-underlay", "node-crash",
        "identity-and-endpoint", "network-policy-l3-l4",
    ]

    @Test(arguments: ShippedScenarios.names.filter { !together.contains($0) && !timed.contains($0) })
    func `passes and leaves nothing behind`(name: String) async throws {
        _ = try await FinishedRun.passing(name)
    }

    @Test(arguments: together)
    func `passes in a lab that others have had, and leaves nothing behind`(name: String) async throws {
        try await FinishedRun.together(name, of: Self.together).passed()
    }

    /// The main scenario has the same verdict every time, and its evidence shows what the field report says.
    @Test(arguments: 1...3)
    func `vxlan blocked names group, port and direction, and shows the wire`(run: Int) async throws {
        let report =
            run == 3
            ? try await FinishedRun.together(Self.main, of: Self.together).passed()
            : try await FinishedRun.passing(Self.main, run == 1 ? ["--output", "json"] : [])
        #expect(report.steps.count == 3)
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
