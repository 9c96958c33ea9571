import Foundation
import Testing

@testable import Scenario

/// What a timeline must have, and what it must not inject before something else has been healed.
@Suite struct TimelineRulesTests {
    static let expectations: [Case] = [
        Case(
            ScenarioText.unexpecting("inject: {fault: link-down, nodes: node1}"),
            "x.yaml:14:5: no step expects anything, so that a run would prove nothing; expected \"expect\" in "
                + "one step at least"
        ),
        Case(
            ScenarioText.head + "  timeline: [{name: a}, {name: b}]\n",
            "x.yaml:8:13: no step expects anything, so that a run would prove nothing; expected \"expect\" in "
                + "one step at least"
        ),
    ]

    static let timelines: [Case] = [
        Case(
            ScenarioText.step("inject: {fault: agent-kill, nodes: all}\nheal: agent-kill")
                + "    - {name: then, inject: {fault: node-crash, nodes: all}}\n"),
        Case(
            ScenarioText.step("inject: {fault: agent-kill, nodes: all}")
                + "    - {name: then, inject: {fault: node-crash, nodes: node3}}\n",
            "x.yaml:17:36: node3 must run until fault \"agent-kill\" of line 15 is healed"),
    ]

    @Test("every mistake, with its place", arguments: expectations + timelines)
    func messages(_ item: Case) {
        let found = ScenarioText.problems(item.text)
        #expect(found == item.messages, "\(found.joined(separator: "\n"))")
    }

    @Test("the benchmark's scenarios and the template are valid")
    func others() throws {
        let folder = repository.appending(path: "bench").path
        for file in try ScenarioLoader.files(in: [folder]) {
            let loaded = try ScenarioLoader.load(file, faults: testFaults)
            #expect(loaded.warnings.isEmpty)
        }
        let text = try #require(ScenarioTemplate.text(name: "x"))
        #expect(ScenarioText.problems(text).isEmpty)
    }
}
