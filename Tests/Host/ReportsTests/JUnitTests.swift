import Foundation
import PlainText
import RunEvents
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@testable import Reports

/// A JUnit file as a reader sees it. FoundationXML uses libxml2, which is not the code that wrote the file.
private final class JUnitReader: NSObject, XMLParserDelegate {
    struct Element {
        var name: String
        var attributes: [String: String]
        var text = ""
        var children: [Element] = []
    }
    private var stack: [Element] = [Element(name: "", attributes: [:])]

    static func read(_ data: Data) throws -> Element {
        let parser = XMLParser(data: data)
        let reader = JUnitReader()
        parser.delegate = reader
        guard parser.parse(), let root = reader.stack.first?.children.first else {
            throw parser.parserError ?? CocoaError(.fileReadCorruptFile)
        }
        return root
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) { stack.append(Element(name: name, attributes: attributes)) }
    func parser(_ parser: XMLParser, foundCharacters string: String) { stack[stack.count - 1].text += string }
    func parser(_ parser: XMLParser, didEndElement: String, namespaceURI: String?, qualifiedName: String?) {
        let last = stack.removeLast()
        stack[stack.count - 1].children.append(last)
    }
}

private let nasty = "]]>\u{0}\u{1B}[31m<b>&\"'\u{FFFE}\u{202E}\u{85}<\u{301}script>\"\u{301}\n\tend"

@Suite struct JUnitTests {
    private func suite(_ report: RunReport) throws -> JUnitReader.Element {
        let data = try JUnitReporter.xml([(report, "reports/out/x")])
        if ProcessInfo.processInfo.environment["LABRUN_SHOW"] != nil { print(String(decoding: data, as: UTF8.self)) }
        let root = try JUnitReader.read(data)
        #expect(root.name == "testsuites")
        try checkStructure(root)
        return try #require(root.children.first)
    }

    /// What the Jenkins and Surefire schemas have in common.
    private func checkStructure(_ root: JUnitReader.Element) throws {
        for suite in root.children {
            #expect(suite.name == "testsuite")
            #expect(suite.children.first?.name == "properties")
            let cases = suite.children.dropFirst()
            var names: Set<String> = []
            for entry in cases {
                #expect(entry.name == "testcase")
                let attributes = entry.attributes
                #expect(Set(attributes.keys) == ["name", "classname", "time", "file"])
                #expect(Double(attributes["time"] ?? "") != nil)
                #expect(names.insert("\(attributes["classname"] ?? "")/\(attributes["name"] ?? "")").inserted)
                let results = entry.children.filter { ["failure", "error", "skipped"].contains($0.name) }
                #expect(results.count <= 1)
                for result in entry.children where result.name != "system-out" {
                    let message = try #require(result.attributes["message"])
                    #expect(result.text.contains(message))
                    #expect(result.attributes["type"] != nil)
                }
                #expect(entry.children.count { $0.name == "system-out" } <= 1)
            }
            for (attribute, element) in [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")] {
                let count = cases.count { $0.children.contains { $0.name == element } }
                #expect(suite.attributes[attribute] == String(count))
                #expect(root.attributes[attribute] == String(count))
            }
            #expect(suite.attributes["tests"] == String(cases.count))
        }
    }

    @Test func aPass() throws {
        let suite = try suite(assemble(SampleRun().events))
        #expect(suite.attributes["failures"] == "0" && suite.attributes["errors"] == "0")
        // There are five expectations, and a fault that was proven in one step and healed in the next.
        #expect(suite.attributes["tests"] == "7")
        #expect(names(suite).contains("labrun.vxlan-blocked-8472.blocked/fault sg-vxlan is proven"))
        #expect(names(suite).contains("labrun.vxlan-blocked-8472.fixed/fault sg-vxlan is healed"))
        #expect(suite.children[1].attributes["classname"] == "labrun.vxlan-blocked-8472.baseline")
        #expect(suite.children[1].attributes["file"] == "scenarios/vxlan-blocked-8472.yaml")
        let properties = suite.children[0].children.map { $0.attributes["name"] ?? "" }
        #expect(properties.starts(with: ["kernel", "mode", "profile", "seed", "revision"]))
    }

    @Test func anUnmetExpectationIsAFailureWithItsWhyAndThePictureFirst() throws {
        let suite = try suite(assemble(SampleRun(expectBlocked: "open").events))
        #expect(suite.attributes["failures"] == "1")
        let entry = try #require(suite.children.first { $0.children.contains { $0.name == "failure" } })
        let failure = try #require(entry.children.first)
        #expect(failure.attributes["message"] == "expected open, timeout in 72 of 72 cells")
        #expect(failure.text.contains("fabric: security group sg-nodes: REJECT udp/8472 (seen)"))
        #expect(
            entry.children[1].text.hasPrefix("[[ATTACHMENT|reports/out/x/artifacts/matrix-step-2.svg]]\n[[ATTACHMENT|"))
    }

    private func names(_ suite: JUnitReader.Element) -> [String] {
        suite.children.dropFirst().map { "\($0.attributes["classname"] ?? "")/\($0.attributes["name"] ?? "")" }
    }

    @Test(
        "a fault that was not proven is a case of its own beside an unmet expectation",
        arguments: [(FaultRecord.State.unproven, "unproven"), (.refused, "refused"), (.injected, "unproven")])
    func anUnprovenFaultIsNotHidden(_ state: FaultRecord.State, type: String) throws {
        let events = SampleRun(expectBlocked: "open").events.map { event in
            guard case .fault(let step, let fault) = event.payload, fault.state == .verified else { return event }
            return RunEvent(
                at: event.at,
                payload: .fault(
                    step: step,
                    .init(
                        id: fault.id, kind: fault.kind, targets: fault.targets, state: state,
                        evidence: ["counter still 0"])))
        }
        let suite = try suite(assemble(events))
        #expect(suite.attributes["failures"] == "1")
        #expect(suite.attributes["errors"] == "1")
        let entry = try #require(suite.children.first { $0.attributes["name"] == "fault sg-vxlan is proven" })
        let error = try #require(entry.children.first)
        #expect(error.name == "error" && error.attributes["type"] == type)
        #expect(error.text.contains("counter still 0"))
    }

    @Test func aDirtyRollbackIsACaseBesideAnUnmetExpectation() throws {
        let events = SampleRun(expectBlocked: "open").events.map { event in
            guard case .fault(let step, let fault) = event.payload, fault.state == .healed else { return event }
            return RunEvent(
                at: event.at,
                payload: .fault(
                    step: step,
                    .init(id: fault.id, kind: fault.kind, targets: fault.targets, state: .dirty, evidence: ["a rule"])))
        }
        let suite = try suite(assemble(events))
        let entry = try #require(suite.children.first { $0.attributes["name"] == "fault sg-vxlan is healed" })
        #expect(entry.children.first?.attributes["type"] == "dirty-rollback")
    }

    @Test func theHostsLoadStandsWithTheStepAndWithWhatWasNotMet() throws {
        var events = SampleRun(expectBlocked: "open").events
        let load = HostLoad(
            seconds: 2, loadAverage: 6.25, pressure: 0.64, steal: 0, emulatorsRan: 1.5, emulatorsWaited: 12)
        events.insert(RunEvent(at: 6.2, payload: .hostLoad(step: 1, load)), at: events.count - 4)
        let words =
            "load 6.3, some task waited for a processor 64 % of the time, the emulators ran 1.50 s and waited 12.0 s"
        let report = assemble(events)
        #expect(report.steps[1].host == load)
        #expect(try RunReport(json: report.json()).steps[1].host == load)
        let suite = try suite(report)
        #expect(
            suite.children[0].children.contains {
                $0.attributes == ["name": "host in step blocked", "value": words]
            })
        let failure = try #require(suite.children.flatMap(\.children).first { $0.name == "failure" })
        #expect(failure.text.contains("host: \(words)"))
    }

    @Test func aDeadLabIsErrorsAndSkips() throws {
        let suite = try suite(assemble(Array(SampleRun().events.prefix(30)), .died("node2: kernel panic")))
        #expect(suite.attributes["failures"] == "0")
        #expect(Int(suite.attributes["errors"] ?? "") ?? 0 > 0)
        let early = try self.suite(assemble(Array(SampleRun().events.prefix(3)), .died("no QEMU")))
        #expect(early.attributes["skipped"] == "3" && early.attributes["errors"] == "1")
    }

    @Test func aRetryIsFlaky() throws {
        let events = SampleRun().events.map { event in
            guard case .expectation(0, let result) = event.payload else { return event }
            return RunEvent(
                at: event.at,
                payload: .expectation(
                    step: 0,
                    .init(
                        name: result.name, state: .met, message: result.message, why: [], seconds: 1, retries: 2,
                        lastUnmet: "1 of 2 cells is open")))
        }
        let suite = try suite(assemble(events))
        let flaky = try #require(suite.children[1].children.first)
        #expect(flaky.name == "flakyFailure")
        #expect(flaky.attributes["message"]?.hasPrefix("met after 2 retries; before: 1 of 2 cells is open: ") == true)
    }

    @Test func hostileTextStaysText() throws {
        let report = assemble(SampleRun(expectBlocked: "open", hostile: nasty).events)
        let data = try JUnitReporter.xml([(report, "reports/\(nasty)")])
        #expect(data.range(of: Data("]]>".utf8)) == nil)
        for scalar in String(decoding: data, as: UTF8.self).unicodeScalars where scalar != "\n" && scalar != "\t" {
            #expect(PlainText.isHarmless(scalar), "U+\(String(scalar.value, radix: 16))")
        }
        let suite = try suite(report)
        let failure = try #require(suite.children.flatMap(\.children).first { $0.name == "failure" })
        #expect(failure.text.contains("]]>[31m<b>&\"'<\u{301}script>\"\u{301}\n\tend"))
        let huge = SampleRun(expectBlocked: "open", hostile: String(repeating: "A", count: 1_000_000))
        #expect(try JUnitReporter.xml([(assemble(huge.events), "x")]).count < 200_000)
    }

    @Test func `each run's attachments are in its own folder`() throws {
        let report = assemble(SampleRun(expectBlocked: "open").events)
        let root = try JUnitReader.read(
            try JUnitReporter.xml([(report, "reports/out/a"), (report, "reports/out/b")]))
        func folders(_ suite: JUnitReader.Element) -> Set<String> {
            let texts = suite.children.flatMap(\.children).filter { $0.name == "system-out" }.map(\.text)
            let paths = texts.joined(separator: "\n").split(separator: "\n").compactMap {
                $0.split(separator: "|").last
            }
            return Set(paths.map { $0.split(separator: "/").prefix(3).joined(separator: "/") })
        }
        #expect(root.children.map(folders) == [["reports/out/a"], ["reports/out/b"]])
        let name = report.scenario.name
        #expect(root.children.map { $0.attributes["name"] } == [name, "\(name)-2"])
    }

    @Test func thePictureIsXML() throws {
        let matrix = try #require(assemble(SampleRun(hostile: nasty).events).steps[1].matrix)
        let svg = MatrixPicture.svg(matrix, title: nasty)
        #expect(try JUnitReader.read(Data(svg.utf8)).name == "svg")
    }
}
