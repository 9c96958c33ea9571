import Expectations
import protocol Expectations.Expectation
import Foundation
import Observations
import RunEvents
import ScenarioReading
import Testing

@testable import Scenario

/// An expectation as a contributor writes it. Copy it to `Sources/Host/Expectations`, and give it a line in the
/// catalogue.
private struct LatencyExpectation: Expectation {
    var millis: Int

    static let field = Field(
        "latency",
        .list(
            .object(
                ObjectShape(
                    name: "latency expectation", help: "How long an answer may take.",
                    fields: [Field("under", .duration(0.001...10), required: true, "Every answer came sooner.")])),
            atLeast: 1), "How fast answers are.")

    static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [LatencyExpectation] {
        entry.value.items.compactMap { item in
            guard let value = item["under"], let seconds = value.text.flatMap(Units.seconds) else { return nil }
            if seconds > 5 { reader.checker.report(value.place, "nobody waits for so long in step \(reader.step)") }
            return LatencyExpectation(millis: Int((seconds * 1000).rounded()))
        }
    }

    var words: String { "latency: under \(millis) ms" }

    static func judge(
        _ expected: [LatencyExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        let longest = observation.measurement.longestRoundTripMicros
        return expected.map {
            ExpectationResult($0.words, longest < $0.millis * 1000 ? .met : .unmet, "the longest took \(longest) µs")
        }
    }
}

/// An expectation only has to be in the list of kinds.
@Suite struct TemplateExpectationTests {
    private static let kinds = ExpectationCatalogue.kinds + [LatencyExpectation.self]

    private static func parse(
        _ expect: String, kinds: [any Expectation.Type] = kinds
    ) -> ScenarioParser.Parsed {
        ScenarioParser(faults: testFaults, profiles: ScenarioLoader.labProfiles, expectations: kinds)
            .parse(Array(ScenarioText.step("expect: {\(expect)}").utf8), file: "x.yaml")
    }

    private static func expectations(_ text: String) throws -> Expectations {
        let scenario = try #require(parse(text).scenario)
        return try #require(scenario.spec.timeline[0].expect)
    }

    @Test func `its shape is in the schema, and the parser checks it`() throws {
        let schema = PublishedSchema.scenario.document(faults: testFaults, expectations: Self.kinds)
        #expect(schema.text().contains("\"latency-expectation\""))
        let validator = SchemaValidator(root: schema)
        for (text, isValid) in [("under: 50ms", true), ("under: 50", false), ("over: 50ms", false)] {
            let file = ScenarioText.step("expect: {latency: [{\(text)}]}")
            let tree = try #require(YAMLReading(Array(file.utf8), file: "x.yaml").documents.first)
            #expect(try validator.accepts(tree.json) == isValid, "\(text)")
            #expect(Self.parse("latency: [{\(text)}]").problems.isEmpty == isValid, "\(text)")
        }
        let known = Self.parse("latency: [{undr: 50ms}]").problems.map(\.description)
        #expect(known.contains { $0.contains("unknown key \"undr\" in latency expectation; did you mean \"under\"?") })
    }

    @Test func `what is not in the list is no expectation`() {
        let problems = Self.parse("latency: [{under: 50ms}]", kinds: ExpectationCatalogue.kinds).problems
        #expect(problems.contains { $0.message.hasPrefix("unknown key \"latency\" in expect") })
    }

    @Test func `it is read, and reports its mistakes with their places`() throws {
        let expectations = try Self.expectations("latency: [{under: 50ms}, {under: 1s}], diagnosis: {is: none}")
        #expect(expectations.of(LatencyExpectation.self).map(\.millis) == [50, 1000])
        let problems = Self.parse("latency: [{under: 6s}]").problems.map(\.description)
        #expect(problems == ["x.yaml:15:34: nobody waits for so long in step first"])
    }

    @Test func `it is explained`() throws {
        let parsed = Self.parse("latency: [{under: 50ms}]")
        let loaded = LoadedScenario(
            scenario: try #require(parsed.scenario), profile: try #require(parsed.profile), file: "x.yaml", bytes: [],
            sha256: "", warnings: [])
        let text = ScenarioExplanation(loaded, faults: testFaults).description
        #expect(text.contains("\n       - latency: under 50 ms\n"))
    }

    @Test func `it reaches the lab host, and is judged there`() throws {
        let expectations = try Self.expectations("latency: [{under: 50ms}, {under: 2ms}]")
        let decoder = JSONDecoder()
        decoder.userInfo[try #require(CodingUserInfoKey.expectationKinds)] = Self.kinds
        let received = try decoder.decode(Expectations.self, from: try JSONEncoder().encode(expectations))
        let judge = Judge(received, kinds: Self.kinds, nodeCount: 2)
        let observation = Observation(
            endpoints: [],
            measurement: Measurement(
                endpoints: [], probes: [], seconds: 1, longestRoundTripMicros: 3000, packets: 1, missing: [:]))
        let results = judge.rounds(observation, cells: [])
        #expect(results.map(\.name) == ["latency: under 50 ms", "latency: under 2 ms"])
        #expect(results.map(\.state) == [.met, .unmet])
    }

    /// Encodes and decodes expectations of most kinds, as on their way to the lab host.
    @Test(arguments: ["vxlan-blocked-8472", "kube-proxy-free", "eni-address-exhaustion", "agent-restart"])
    func `expectations come out of JSON as they went in`(_ name: String) throws {
        let scenario = try ScenarioLoader.load(name, faults: testFaults).scenario
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let data = try encoder.encode(scenario)
        let received = try JSONDecoder().decode(ScenarioFile.self, from: data)
        #expect(try encoder.encode(received) == data)
        let words = scenario.spec.timeline.map { $0.expect?.words ?? [] }
        #expect(words.joined().count > 3 && received.spec.timeline.map { $0.expect?.words ?? [] } == words)
    }
}
