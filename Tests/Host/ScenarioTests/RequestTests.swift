import Expectations
import Testing

@testable import Scenario

@Suite struct RequestTests {
    private func read(_ requests: String, rule: String = "") -> (file: ScenarioFile?, problems: [String]) {
        let text = """
            apiVersion: labrun.dev/v1alpha1
            kind: Scenario
            metadata: {name: x, title: x}
            spec:
              lab: eks-overlay
              workloads:
                - apiVersion: v1
                  kind: Pod
                  metadata: {name: a}
                - apiVersion: v1
                  kind: Pod
                  metadata: {name: b}
              probes:
                protocols: [tcp]
                requests: [\(requests)]
              timeline:
                - name: base
                  expect: {matrix: [{from: {}, to: {}, outcome: open}\(rule)]}
            """
        let parser = ScenarioParser(faults: [], diagnoses: [], profiles: ScenarioLoader.labProfiles)
        let parsed = parser.parse(Array(text.utf8), file: "x.yaml", settings: [])
        return (parsed.scenario, parsed.problems.filter { $0.severity == .error }.map(\.description))
    }

    @Test func requestsMakeCellsOfTheirOwn() throws {
        let (file, problems) = read(
            "{name: vpc, protocol: dns, from: {kind: pod}, address: 10.0.0.2, query: '{nonce}.example.com'}, "
                + "{name: get, protocol: http, from: default/a, to: default/b, port: 8080, path: /x, headers: "
                + "{X-A: b}}",
            rule: ", {from: {kind: pod}, to: {}, request: vpc, outcome: timeout}")
        #expect(problems.isEmpty)
        let spec = try #require(file?.spec)
        #expect(
            spec.probes.requests.map(\.question) == [
                .dns(name: "{nonce}.example.com"), .http(method: "GET", path: "/x", headers: ["X-A": "b"]),
            ])
        #expect(spec.probes.requests.map(\.port) == [53, 8080])
        let endpoints = WorkloadPlacement.endpoints(for: spec.workloads, nodes: ["node1", "node2"])
        let pairs = spec.probes.requests[0].pairs(among: endpoints)
        #expect(pairs.map(\.from.id).sorted() == ["default/a", "default/b"])
        #expect(pairs.allSatisfy { $0.to.id == "10.0.0.2" && $0.to.kind == .external })
        let rules = try #require(spec.timeline[0].expect?.of(MatrixExpectation.self))
        let one = pairs[0]
        #expect(
            rules.deciding(from: one.from, to: one.to, protocol: .dns, port: 53, request: "vpc")?.outcomes[0].text
                == "timeout")
        #expect(
            rules.deciding(from: one.from, to: one.to, protocol: .dns, port: 53, request: "x")?.outcomes[0].text
                == "open")
    }

    @Test(arguments: [
        ("{name: q, protocol: dns, from: {}, address: 10.0.0.2}", "has no query"),
        ("{name: q, protocol: dns, from: {}, address: 10.0.0, query: a}", "an address such as"),
        ("{name: q, protocol: dns, from: {}, query: a}", "either `to` or `address`"),
        ("{name: q, protocol: dns, from: {}, to: {}, address: 1.1.1.1, query: a}", "either `to` or `address`"),
        ("{name: q, protocol: dns, from: {}, address: 1.1.1.1, query: a..b}", "a name such as"),
        ("{name: q, protocol: dns, from: {}, address: 1.1.1.1, query: a, path: /}", "dns has no path"),
        ("{name: q, protocol: tcp, from: {}, address: 1.1.1.1}", "has no port"),
        ("{name: q, protocol: http, from: {}, to: {}, path: x}", "a path such as"),
        ("{name: q, protocol: http, from: {}, to: {}, headers: {A: \"b\\r\\nC: d\"}}", "printable"),
        (
            "{name: q, protocol: tcp, from: {}, address: 1.1.1.1, port: 80}, "
                + "{name: q, protocol: tcp, from: {}, address: 1.1.1.1, port: 81}", "two requests are named q"
        ),
    ])
    func mistakesAreNamed(_ requests: String, _ message: String) {
        let problems = read(requests).problems
        #expect(problems.contains { $0.contains(message) }, "\(problems)")
    }

    @Test func aRuleNamesRequestsThatThereAre() {
        let problems = read(
            "{name: vpc, protocol: dns, from: {}, address: 1.1.1.1, query: a}",
            rule: ", {from: {}, to: {}, request: vcp, outcome: open}"
        ).problems
        #expect(problems.contains { $0.contains("no request \"vcp\"") && $0.contains("vpc") }, "\(problems)")
    }
}
