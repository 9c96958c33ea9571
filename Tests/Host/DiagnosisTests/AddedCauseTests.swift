import Readings
import Testing

@testable import Diagnosis

/// A cause as a contributor adds it: a type with its ids and its findings, and a place in the list of causes.
private enum NoRouteTemplate: RootCause {
    static let ids = ["template/no-route"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let cells = paths.failing.filter { evidence.probes[$0].observed == .unreachable(code: 0) }
        guard !cells.isEmpty else { return [] }
        let targets = Set(cells.map { evidence.probes[$0].key.to })
        return [
            Explanation(
                finding: Finding(
                    id: ids[0], summary: "a router has no route to \(list(targets))",
                    evidence: ["\(cells.count) probes were told: network unreachable"], fix: "add the route",
                    confidence: 0.8),
                cells: Set(cells))
        ]
    }
}

/// Shows that a cause needs nothing but a line in the list.
@Suite struct AddedCauseTests {
    private func evidence(_ outcome: Outcome) throws -> (Evidence, CellKey) {
        var evidence = ThreeNodeLab().evidence()
        let index = try #require(evidence.probes.firstIndex { $0.key.from == "default/node1" })
        evidence.probes[index].observed = outcome
        return (evidence, evidence.probes[index].key)
    }

    @Test func `a cause in the list is found, and accounts for its cells`() throws {
        let (evidence, _) = try evidence(.unreachable(code: 0))
        let account = Diagnosis.account(for: evidence, causes: [NoRouteTemplate.self] + Diagnosis.causes)
        #expect(account.findings.map(\.id) == NoRouteTemplate.ids)
        #expect(account.unexplained.isEmpty)
    }

    @Test func `without it the same cells are unexplained`() throws {
        let (evidence, key) = try evidence(.unreachable(code: 0))
        let account = Diagnosis.account(for: evidence)
        #expect(account.findings.map(\.id) == ["unknown"])
        #expect(account.unexplained == [key])
    }

    @Test func `it claims no other failure`() throws {
        let (evidence, key) = try evidence(.timeout)
        let account = Diagnosis.account(for: evidence, causes: [NoRouteTemplate.self])
        #expect(account.findings.map(\.id) == ["unknown"])
        #expect(account.unexplained == [key])
    }

    /// Scenarios are checked against this list, so each id may be in it only once.
    @Test func `ids are told once`() {
        #expect(Set(Diagnosis.ids).count == Diagnosis.ids.count)
        #expect(Diagnosis.ids.contains("datapath/drop") && Diagnosis.ids.contains("none"))
    }
}
