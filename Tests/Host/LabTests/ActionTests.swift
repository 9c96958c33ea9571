import Foundation
import Reports
import RunEvents
import Testing

/// What steps do to workloads, objects and values, on real nodes.
@Suite(.serialized) struct ActionTests {
    @Test func `apply, scale, set and delete do what they say, by namespace`() async throws {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let ended = try await LabrunProgram().run(scenario: LabrunProgram.scenario("actions"), in: folder)
        let report = try ended.passed(in: folder)
        let receivers = report.steps.map { step in
            Set((step.matrix?.cells ?? []).map(\.to).filter { !$0.hasPrefix("node/") }).sorted()
        }
        let clients = ["default/client-node1", "default/client-node2"]
        let web = ["default/web"]
        let service = ["service/team-a/web:80"]
        func team(_ replicas: Int) -> [String] { (0..<replicas).map { "team-a/web-\($0 + 1)" } }
        #expect(
            receivers == [
                clients, clients + web + service + team(1), clients + web + service + team(3),
                clients + web + service + team(3), clients + web + service + team(3), clients + web + service,
                clients + web,
            ])
        #expect(try await HostState.leftovers(of: folder, since: before) == [])
    }

    /// Nothing is booted for a file with mistakes, and each mistake is reported with its place.
    @Test func `mistakes in actions are told at their places`() async throws {
        let folder = try ScratchFolder()
        let text = try String(contentsOfFile: LabrunProgram.scenario("actions"), encoding: .utf8)
        let wrong = [
            (
                "scale: {deployment: web, namespace: team-a, replicas: 3}",
                "scale: {deployment: web, namespace: team-b, replicas: 3}"
            ),
            ("socketLB: {enabled: true}", "socketLB: {enable: true}"),
            ("delete: {kind: Namespace, name: team-a}", "delete: {kind: NetworkPolicy, namespace: team-a, name: taem}"),
            (
                "scale: {deployment: web, namespace: team-a, replicas: 0}",
                "scale: {deployment: web, namespace: team-a, replicas: -1}"
            ),
        ].reduce(text) { text, change in text.replacing(change.0, with: change.1) }
        let file = "\(folder.path)/actions.yaml"
        try wrong.write(toFile: file, atomically: true, encoding: .utf8)
        // Without a lane: it ends before there is a lab.
        let ended = try await LabrunProgram().run(["scenario", file, "--report-dir", "\(folder.path)/report"])
        #expect(ended.status == 2)
        let said = ended.output + ended.errors
        func place(_ part: String, _ offset: Int) throws -> String {
            let lines = wrong.split(separator: "\n", omittingEmptySubsequences: false)
            let line = try #require(lines.firstIndex { $0.contains(part) })
            let column = try #require(lines[line].range(of: part)?.lowerBound)
            return "\(file):\(line + 1):\(lines[line].distance(from: lines[line].startIndex, to: column) + 1 + offset):"
        }
        for (part, offset, message) in [
            ("deployment: web, namespace: team-b", 12, "no Deployment team-b/web at this step"),
            ("enable: true}", 0, "unknown datapath value \"socketLB.enable\"; did you mean \"socketLB.enabled\"?"),
            ("name: taem", 6, "no NetworkPolicy team-a/taem at this step; did you mean \"team\"?"),
            ("replicas: -1", 10, "replicas must be a whole number from 0 to 500"),
        ] {
            #expect(said.contains("\(try place(part, offset)) \(message)"), "\(message)\n\(said)")
        }
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/report/report.json"))
    }
}
