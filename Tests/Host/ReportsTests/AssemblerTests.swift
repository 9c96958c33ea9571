import Foundation
import RunEvents
import Testing

@testable import Reports

func assemble(_ events: [RunEvent], _ end: StreamEnd = .complete) -> RunReport {
    var assembler = ReportAssembler()
    for event in events { assembler.consume(event) }
    return assembler.finish(end)
}

@Suite struct AssemblerTests {
    @Test func `warnings are kept once, and not without end`() {
        var assembler = ReportAssembler()
        for number in 0..<300 {
            let record = LogRecord(level: .warning, source: "lab", message: "loss \(number % 150)")
            assembler.consume(RunEvent(at: 0, payload: .log(record)))
        }
        assembler.consume(RunEvent(at: 0, payload: .log(LogRecord(level: .info, source: "lab", message: "fine"))))
        let warnings = assembler.finish().warnings
        #expect(warnings.count == 100)
        #expect(warnings.first == "lab: loss 0")
        #expect(Set(warnings).count == 100)
    }

    @Test func `a join is told once, with what is known of it last`() throws {
        func record(_ node: String, first: Double?) -> NodeJoinRecord {
            NodeJoinRecord(
                node: node, startedAt: 12, runtimeSeconds: 2.25, agentSeconds: 6, nodeReadySeconds: 7.5,
                firstPodSeconds: first)
        }
        var events = SampleRun().events
        let index = try #require(events.firstIndex { if case .stepFinished = $0.payload { true } else { false } })
        events.insert(RunEvent(at: 4, payload: .nodeJoined(step: 0, record("node3", first: nil))), at: index)
        events.insert(RunEvent(at: 4, payload: .nodeJoined(step: 0, record("node4", first: nil))), at: index)
        let last = events.count - 1
        // What comes to be known later belongs to the step of the join.
        events.insert(RunEvent(at: 9, payload: .nodeJoined(step: 0, record("node3", first: 8.125))), at: last)
        let report = assemble(events)
        let joins = try #require(report.steps[0].joins)
        #expect(joins == [record("node4", first: nil), record("node3", first: 8.125)])
        #expect(report.steps[1].joins == nil)
        #expect(
            joins[1].words == "node3 joined: runtime answered 2.25 s, agent ready 6.00 s, Node Ready 7.50 s, "
                + "first pod 8.13 s after its power-on")
        #expect(try RunReport(json: try report.json()).steps[0].joins == joins)
    }

    @Test func foldsTheWholeStream() throws {
        let report = assemble(SampleRun().events)
        #expect(report.schema == "labrun.dev/report/v1alpha1")
        #expect(report.verdict == .pass)
        #expect(report.steps.map(\.name) == ["baseline", "blocked", "fixed"])
        #expect(report.steps.map(\.verdict) == [.pass, .pass, .pass])
        #expect(abs((report.phases["boot"] ?? 0) - 2.36) < 1e-9)
        #expect(report.steps[1].faults.count == 1)
        #expect(report.steps[1].faults[0].state == .verified)
        #expect(report.steps[1].faults[0].evidence.count == 3)
        #expect(report.steps[2].faults[0].state == .healed)
        #expect(report.steps[0].matrix?.cells.count == 216)
        #expect(report.stepsNotRun.isEmpty)
    }

    @Test func jsonHasThePublishedKeysAndReadsBack() throws {
        let report = assemble(SampleRun().events)
        let data = try report.json()
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        for key in [
            "schema", "tool", "host", "seed", "scenario", "lab", "verdict", "startedAt", "durationSeconds", "phases",
            "steps", "artifacts",
        ] {
            #expect(object[key] != nil, "\(key)")
        }
        let steps = try #require(object["steps"] as? [[String: Any]])
        for key in ["name", "verdict", "startedAt", "durationSeconds", "faults", "matrix", "health", "diagnosis"] {
            #expect(steps[1][key] != nil, "\(key)")
        }
        let matrix = try #require(steps[1]["matrix"] as? [String: Any])
        let cell = try #require((matrix["cells"] as? [[String: Any]])?.first)
        for key in [
            "from", "to", "protocol", "port", "expected", "observed", "verdict", "latencyMicros", "attempts", "why",
        ] {
            #expect(cell[key] != nil, "\(key)")
        }
        #expect((object["startedAt"] as? String) == "2026-11-18T11:06:40.000Z")
        let again = try RunReport(json: data)
        #expect(try again.json() == data)
    }

    @Test func anotherSchemaIsRefused() throws {
        let text = String(decoding: try assemble(SampleRun().events).json(), as: UTF8.self)
        let other = text.replacingOccurrences(of: "report/v1alpha1", with: "report/v9")
        #expect(throws: ReportError.self) { try RunReport(json: Data(other.utf8)) }
    }

    /// Every prefix of the stream, as it is after a kill.
    @Test func aCutStreamIsNeverAPass() {
        let events = SampleRun().events
        for count in 0..<events.count {
            let report = assemble(Array(events.prefix(count)), .died("the lab host was killed by signal 9"))
            #expect(report.verdict == .infraError)
            #expect(report.message.contains("signal 9"))
            for step in report.steps where step.unfinished { #expect(step.verdict == .infraError) }
            #expect(assemble(Array(events.prefix(count)), .interrupted("SIGINT")).verdict == .interrupted)
        }
        #expect(assemble(events, .died("killed during exit")).verdict == .pass)
    }

    @Test func anUnmetExpectationInAStepThatTheLabDidNotSurviveIsTheLabs() {
        var events = SampleRun(expectBlocked: "open").events
        let end = events.firstIndex { if case .stepFinished(1, _) = $0.payload { true } else { false } } ?? 0
        events.removeSubrange(end...)
        let report = assemble(events, .died("QEMU of node2 ended"))
        #expect(report.verdict == .infraError)
        #expect(report.steps[1].verdict == .infraError)
        #expect(report.stepsNotRun == ["fixed"])
    }

    private func changed(_ change: (RunEvent.Payload) -> RunEvent.Payload) -> RunReport {
        assemble(SampleRun().events.map { RunEvent(at: $0.at, payload: change($0.payload)) })
    }

    @Test func aCellThatWasNotMeasuredIsNeverGreen() {
        let report = changed { payload in
            guard case .matrix(0, let record) = payload, !record.provisional else { return payload }
            var cells = record.cells
            cells[0].observed = .notMeasured
            cells[0].verdict = .pass
            return .matrix(
                step: 0,
                .init(
                    endpoints: record.endpoints, cells: cells, seconds: 1, longestRoundTripMicros: 1, provisional: false
                ))
        }
        #expect(report.steps[0].matrix?.cells[0].verdict == .notMeasured)
        #expect(report.steps[0].verdict == .inconclusive)
        #expect(report.verdict == .inconclusive)
    }

    @Test func aFaultWithoutProofOrWithLeftoversNeverPasses() {
        let unproven = changed { payload in
            guard case .fault(let step, let record) = payload, record.state == .verified else { return payload }
            return .fault(
                step: step,
                .init(
                    id: record.id, kind: record.kind, targets: record.targets, state: .unproven,
                    evidence: ["counter still 0"]))
        }
        #expect(unproven.verdict == .inconclusive)
        let dirty = changed { payload in
            guard case .fault(let step, let record) = payload, record.state == .healed else { return payload }
            return .fault(
                step: step,
                .init(
                    id: record.id, kind: record.kind, targets: record.targets, state: .dirty,
                    evidence: ["rule left behind"]))
        }
        #expect(dirty.verdict == .dirtyRollback)
    }

    /// The stream with another state of its fault in place of `state`, or without that event if the new state is nil.
    private func faultChanged(
        _ state: FaultRecord.State, to other: FaultRecord.State?, ending verdict: Verdict = .pass
    ) -> RunReport {
        assemble(
            SampleRun().events.compactMap { event in
                switch event.payload {
                case .fault(let step, let record) where record.state == state:
                    return other.map {
                        RunEvent(
                            at: event.at,
                            payload: .fault(
                                step: step,
                                .init(
                                    id: record.id, kind: record.kind, targets: record.targets, state: $0,
                                    evidence: [])))
                    }
                case .runFinished(let result):
                    return RunEvent(
                        at: event.at,
                        payload: .runFinished(
                            .init(verdict: verdict, message: "as told", durationSeconds: result.durationSeconds)))
                default: return event
                }
            })
    }

    @Test func aFaultThatWasNeverVerifiedDoesNotPass() {
        let report = faultChanged(.verified, to: nil)
        #expect(report.steps.map(\.verdict) == [.pass, .inconclusive, .pass])
        #expect(report.verdict == .inconclusive)
        #expect(report.message.contains("the effect of fault sg-vxlan was not proven"))
    }

    @Test func aRefusedFaultDoesNotPass() {
        let report = faultChanged(.verified, to: .refused)
        #expect(report.steps[1].verdict == .inconclusive && report.verdict == .inconclusive)
        #expect(report.message.contains("fault sg-vxlan was refused"))
    }

    @Test("a fault that stays in force", arguments: [FaultRecord.State.injected, .verified, .unproven])
    func leftInForce(state: FaultRecord.State) {
        #expect(faultChanged(.healed, to: state).verdict == .dirtyRollback)
        let missing = faultChanged(.healed, to: nil)
        #expect(missing.verdict == .dirtyRollback && missing.message.contains("fault sg-vxlan was never healed"))
        #expect(missing.steps[1].verdict == .dirtyRollback)
    }

    @Test("a run that could not heal keeps its verdict", arguments: [Verdict.interrupted, .infraError])
    func endedEarly(verdict: Verdict) {
        let report = faultChanged(.healed, to: nil, ending: verdict)
        #expect(report.verdict == verdict && report.message == "as told")
        #expect(report.steps.allSatisfy { $0.verdict == .pass })
    }

    @Test func aRunWithoutExpectationsIsNoPass() {
        func without(_ drop: (ExpectationResult) -> ExpectationResult?) -> RunReport {
            assemble(
                SampleRun().events.compactMap { event in
                    guard case .expectation(let step, let result) = event.payload else { return event }
                    return drop(result).map { RunEvent(at: event.at, payload: .expectation(step: step, $0)) }
                })
        }
        let none = without { _ in nil }
        #expect(none.verdict == .inconclusive && none.message == "no expectation was checked")
        let skipped = without {
            .init(name: $0.name, state: .skipped, message: "", why: [], seconds: 0, retries: 0)
        }
        #expect(skipped.verdict == .inconclusive)
    }

    @Test func aClaimedPassAgainstTheEvidenceIsNotOne() {
        let report = changed { payload in
            guard case .expectation(1, let result) = payload else { return payload }
            return .expectation(
                step: 1,
                .init(name: result.name, state: .unmet, message: "no", why: [], seconds: 0, retries: 0))
        }
        #expect(report.verdict == .fail)
        #expect(report.steps[1].verdict == .fail)
    }

    @Test func nothingAtAllIsTheLabsFailure() {
        #expect(assemble([]).verdict == .infraError)
        #expect(assemble([], .died("unshare: Operation not permitted")).message.contains("unshare"))
    }
}
