import Reports
import RunEvents
import Testing

/// Nodes that join a running lab and leave it, without a control plane. `node-joins` is the scenario with one.
@Suite(.serialized) struct MembershipLabTests {
    @Test func `a node and its pods are in the matrix only while it is there`() async throws {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let ended = try await LabrunProgram().run(
            scenario: LabrunProgram.scenario("nodes-come-and-go"), in: folder)
        let report = try ended.passed(in: folder)
        #expect(report.lab?.nodes.map { $0.joinsLater ?? false } == [false, false, true])

        // Every cell was measured, and none was taken for good without it.
        let cells = report.steps.flatMap { $0.matrix?.cells ?? [] }
        #expect(cells.allSatisfy { $0.verdict == .pass })
        let places = report.steps.map { step in
            (step.matrix?.endpoints ?? []).filter { $0.kind == .pod }.map { "\($0.id)@\($0.node ?? "")" }.sorted()
        }
        let two = ["default/client-node1@node1", "default/client-node2@node2"]
        let third = ["default/client-node3@node3"]
        func web(_ nodes: String...) -> [String] { nodes.enumerated().map { "default/web-\($0 + 1)@\($1)" } }
        guard places.count == 5 else {
            Issue.record("\(places)")
            return
        }
        #expect(places[0] == two + web("node1", "node2", "node1"))
        // Pods that run stay where they are.
        #expect(places[1] == two + third + web("node1", "node2", "node1"))
        #expect(places[2] == two + third + web("node1", "node2", "node1", "node1"))
        #expect(places[3] == two + web("node1", "node2", "node1", "node1"))
        #expect(places[4] == two + third + web("node1", "node2", "node1", "node1"))
        #expect(report.steps.map { $0.health.map(\.total) } == [[2, 2], [3, 3, 3], [3, 3, 3], [2, 2], [3, 3, 3]])

        let joins = report.steps.map { $0.joins ?? [] }
        #expect(joins.map { $0.map(\.node) } == [[], ["node3"], [], [], ["node3"]])
        for join in joins.joined() {
            let times = [join.runtimeSeconds, join.agentSeconds, join.firstPodSeconds].compactMap { $0 }
            #expect(times.count == 3 && times == times.sorted() && times[0] > 0, "\(join)")
            #expect(join.nodeReadySeconds == nil)
        }
        #expect(try await HostState.leftovers(of: folder, since: before) == [])
    }
}
