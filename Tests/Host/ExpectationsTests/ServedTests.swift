import JSON
import Matrix
import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes
import Testing

@testable import Expectations

/// What is expected of the API server's objects and events.
@Suite struct ServedTests {
    private static let query = ObjectQuery(kind: "Deployment", name: "web")

    private func judge(_ claim: ObjectExpectation.Claim, _ reading: ObjectReading?) -> ExpectationResult {
        var observation = ObservationFixture().observation
        if let reading { observation.objects[Self.query] = reading }
        let expectations = Expectations([ObjectExpectation(object: Self.query, claim: claim)])
        let results = Judge(expectations, nodeCount: 2).rounds(observation, cells: [])
        return results.first { $0.name.hasPrefix("Deployment web") }
            ?? ExpectationResult("none", .error, "no such result")
    }

    @Test(arguments: [ObjectExpectation.Claim.absent, .present, .condition(type: "Ready", status: "True")])
    func `a reading that could not be taken is never met`(_ claim: ObjectExpectation.Claim) {
        #expect(judge(claim, .unread("the API server does not answer")).state == .inconclusive)
        #expect(judge(claim, nil).state == .inconclusive)
    }

    @Test(arguments: [
        (ObjectExpectation.Claim.present, ExpectationResult.State.unmet), (.absent, .met),
        (.condition(type: "Ready", status: "True"), .unmet), (.value(path: ".a", value: ""), .unmet),
    ])
    func `of an object that is not there only its absence is met`(
        _ claim: ObjectExpectation.Claim, _ state: ExpectationResult.State
    ) {
        #expect(judge(claim, .absent).state == state)
    }

    @Test func `what is there instead is said, made plain and short`() {
        let object = JSONValue.object([
            "metadata": .object(["deletionTimestamp": .string("2026-01-01T00:00:00Z")]),
            "status": .object([
                "conditions": .array([
                    .object([
                        "type": .string("Ready"), "status": .string("False"), "reason": .string("KubeletNotReady"),
                        "message": .string("cni plugin\u{1B}[2J not initialized"),
                    ])
                ]), "long": .string(String(repeating: "x", count: 10_000)),
            ]),
        ])
        let ready = judge(.condition(type: "Ready", status: "True"), .found(object))
        #expect(ready.state == .unmet)
        #expect(ready.message == "Ready is False: KubeletNotReady: cni plugin\\x1B[2J not initialized")
        #expect(
            judge(.condition(type: "Synced", status: "True"), .found(object)).message
                == "it has no condition Synced, but Ready")
        #expect(judge(.absent, .found(object)).message == "the API server still has it, and it is being deleted")
        #expect(judge(.value(path: "{.status.long}", value: "y"), .found(object)).message.count < 600)
        #expect(judge(.value(path: ".status.short", value: ""), .found(object)).state == .unmet)
    }

    /// Nobody says which source the API server saw.
    @Test func `a source that nobody tells is not measured`() {
        let server = Endpoint(
            id: "vpc/control-plane", kind: .controlPlane, node: nil, namespace: nil, address: "10.0.3.4", port: 6443,
            labels: [:], protocol: .tcp)
        let pod = ObservationFixture.endpoints[0]
        let probe = ProbeMeasurement(
            key: CellKey(from: pod.id, to: server.id, protocol: .tcp, port: 6443), observed: .open, sources: [],
            latencyMicros: 300, localPort: 40_000, requestArrived: true, sent: 1, answered: 1)
        let measurement = Measurement(
            endpoints: [pod, server], probes: [probe], seconds: 0.1, longestRoundTripMicros: 300, packets: 1,
            missing: [:])
        let observation = Observation(endpoints: [pod, server], measurement: measurement)
        for (source, verdict) in [(nil, CellVerdict.pass), (SourceExpectation("node"), .notMeasured)] {
            let rule = MatrixExpectation(
                from: EndpointSelector(), to: EndpointSelector(kind: .controlPlane), protocols: [], port: nil,
                where: nil, outcomes: [OutcomePattern("open")].compactMap { $0 }, source: source, requests: nil)
            let judge = Judge(Expectations([rule]), nodeCount: 1)
            #expect(judge.cells(observation).map(\.verdict) == [verdict])
        }
    }

    // MARK: Events

    private static func event(_ uid: String, _ reason: String = "BackOff", count: Int = 1) -> ServedEvent {
        ServedEvent(
            uid: uid, type: "Warning", reason: reason, message: "Back-off restarting failed container", count: count,
            kind: "Pod", namespace: "default", name: "web-abc-x", podID: "web-1")
    }

    private func judge(_ expectation: EventExpectation, _ events: ServedEvents?) -> ExpectationResult {
        var observation = ObservationFixture().observation
        observation.events = events
        let results = Judge(Expectations([expectation]), nodeCount: 2).rounds(observation, cells: [])
        return results.first { $0.name.hasPrefix("event") } ?? ExpectationResult("none", .error, "no such result")
    }

    @Test func `only what happened since is counted`() {
        let before = ServedEvents(events: [Self.event("a", count: 3), Self.event("b")])
        let now = ServedEvents(events: [Self.event("a", count: 5), Self.event("b"), Self.event("c", "Killing")])
        let since = now.since(before)
        #expect(since.events.map(\.uid) == ["a", "c"] && since.events.map(\.count) == [2, 1] && since.gap == nil)
    }

    /// At the beginning of a step in which the API server comes back, nobody could ask it.
    @Test func `what may have happened before is not taken for new`() {
        let now = ServedEvents(events: [Self.event("a", count: 5)])
        let since = now.since(ServedEvents(events: [], gap: "not asked"))
        #expect(since.events.isEmpty)
        #expect(since.gap == "what had happened before is not known: not asked")
        #expect(judge(EventExpectation(reason: "BackOff"), since).state == .inconclusive)
        #expect(judge(EventExpectation(reason: "BackOff", count: 0), since).state == .inconclusive)
    }

    @Test func `what was not read may have happened`() {
        let some = ServedEvents(events: [Self.event("a")], gap: "more than 5000 events")
        #expect(judge(EventExpectation(reason: "Killing"), some).state == .inconclusive)
        #expect(judge(EventExpectation(reason: "BackOff"), some).state == .met)
        #expect(judge(EventExpectation(reason: "BackOff", count: 0), some).state == .unmet)
        #expect(judge(EventExpectation(reason: "Killing", count: 0), some).state == .inconclusive)
        #expect(judge(EventExpectation(reason: "Killing"), nil).state == .inconclusive)
        let all = ServedEvents(events: [Self.event("a")])
        #expect(judge(EventExpectation(reason: "Killing", count: 0), all).state == .met)
        #expect(judge(EventExpectation(reason: "Killing"), all).state == .unmet)
    }

    @Test func `a pod is named as in the matrix or by its own name`() {
        let all = ServedEvents(events: [Self.event("a")])
        for name in ["web-1", "web-abc-x"] {
            let about = EventExpectation.About(kind: "Pod", name: name, namespace: "default")
            #expect(judge(EventExpectation(about: about), all).state == .met, "\(name)")
        }
        let other = EventExpectation.About(kind: "Pod", name: "web-1", namespace: "shop")
        #expect(judge(EventExpectation(about: other), all).state == .unmet)
    }

    // MARK: Reading

    private func problems(_ text: String, hasControlPlane: Bool = true) throws -> [String] {
        let value = try #require(YAMLReading(Array(text.utf8), file: "x.yaml").documents.first)
        var shapes = ShapeChecker(file: "x.yaml")
        shapes.check(value, Expectations.shape(of: ExpectationCatalogue.kinds), "expect")
        var reader = ExpectationReader(
            checker: shapes, coverage: CoverageCheck(), step: "now", nodes: ["node1"], plan: .init(), diagnoses: [],
            earlierSteps: [:], hasControlPlane: hasControlPlane, endpoints: { [] })
        _ = Expectations(value, kinds: ExpectationCatalogue.kinds, by: &reader)
        return reader.checker.problems.map(\.message)
    }

    @Test(arguments: [
        ("objects: [{kind: Pod, name: a, condition: Ready}]", nil),
        ("objects: [{kind: Pod, name: a, condition: Ready=Maybe}]", "condition must be"),
        ("objects: [{kind: Pod, name: a}]", "has none of condition, jsonPath, absent"),
        ("objects: [{kind: Pod, name: a, jsonPath: .a, value: b, absent: true}]", "are not given together"),
        ("objects: [{kind: Pod, name: a, jsonPath: .a}]", "jsonPath needs a value"),
        ("objects: [{kind: Pod, name: a, value: b, absent: true}]", "value needs a jsonPath"),
        ("objects: [{kind: Pod, name: a, jsonPath: '{.a[?(.b)]}', value: b}]", "jsonPath, character 7"),
        ("events: [{reason: BackOff}]", nil), ("events: [{type: Normal}]", "has none of reason, mentions, about"),
        ("events: [{about: {namespace: a}}]", "has none of kind, name"),
    ])
    func `mistakes are told`(_ text: String, _ problem: String?) throws {
        let found = try problems(text)
        #expect(found.count == (problem == nil ? 0 : 1), "\(found)")
        if let problem { #expect(found.contains { $0.contains(problem) }, "\(found)") }
    }

    @Test func `a lab without a control plane has no objects and events`() throws {
        for text in ["objects: [{kind: Pod, name: a, condition: Ready}]", "events: [{reason: BackOff}]"] {
            let found = try problems(text, hasControlPlane: false)
            #expect(found.count == 1 && found[0].contains("an API server, which the lab does not have"), "\(found)")
        }
    }
}
