import Foundation
import RunEvents
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@testable import Reports

/// A JUnit file as a reader sees it. FoundationXML is libxml2: a parser other than the one that wrote the file.
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
        let data = try JUnitReporter.xml([report], folder: "reports/out/x")
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
        #expect(suite.attributes["tests"] == "5")
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
                    .init(name: result.name, state: .met, message: result.message, why: [], seconds: 1, retries: 2)))
        }
        let suite = try suite(assemble(events))
        #expect(suite.children[1].children.first?.name == "flakyFailure")
    }

    @Test func hostileTextStaysText() throws {
        let report = assemble(SampleRun(expectBlocked: "open", hostile: nasty).events)
        let data = try JUnitReporter.xml([report], folder: "reports/\(nasty)")
        #expect(data.range(of: Data("]]>".utf8)) == nil)
        for scalar in String(decoding: data, as: UTF8.self).unicodeScalars where scalar != "\n" && scalar != "\t" {
            #expect(PlainText.isHarmless(scalar), "U+\(String(scalar.value, radix: 16))")
        }
        let suite = try suite(report)
        let failure = try #require(suite.children.flatMap(\.children).first { $0.name == "failure" })
        #expect(failure.text.contains("]]>[31m<b>&\"'<\u{301}script>\"\u{301}\n\tend"))
        let huge = SampleRun(expectBlocked: "open", hostile: String(repeating: "A", count: 1_000_000))
        #expect(try JUnitReporter.xml([assemble(huge.events)], folder: "x").count < 200_000)
    }

    @Test func thePictureIsXML() throws {
        let matrix = try #require(assemble(SampleRun(hostile: nasty).events).steps[1].matrix)
        let svg = MatrixPicture.svg(matrix, title: nasty)
        #expect(try JUnitReader.read(Data(svg.utf8)).name == "svg")
    }
}
