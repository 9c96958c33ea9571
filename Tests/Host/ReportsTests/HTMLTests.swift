import Foundation
import PlainText
import RunEvents
import Testing

@testable import Reports

private let nasty = "</script><img src=x onerror=alert(1)>\"'\u{301}&<\u{301}b>\u{2028}\u{202E}\u{1B}[31m"

@Suite struct HTMLTests {
    /// Writes the page to the folder that `LABRUN_SHOW` names, for people to look at.
    private func page(_ run: SampleRun, name: String, end: StreamEnd = .complete) throws -> String {
        let page = try HTMLReporter.page(assemble(run.events, end))
        if let folder = ProcessInfo.processInfo.environment["LABRUN_SHOW"], folder.hasPrefix("/") {
            try page.write(toFile: "\(folder)/\(name).html", atomically: true, encoding: .utf8)
        }
        return page
    }

    @Test func theTopSaysVerdictExpectationDiagnosisAndFixWithoutAScript() throws {
        let page = try page(SampleRun(expectBlocked: "open"), name: "fail")
        let body = try #require(page.split(separator: "<body>").last?.split(separator: "<div id=\"steps\">").first)
        for text in [
            "FAIL", "expected open, timeout in 72 of 72 cells", "underlay/vxlan-port-blocked",
            "allow ingress UDP 8472 in sg-nodes", "security group sg-nodes: REJECT udp/8472",
        ] { #expect(body.contains(text), "\(text)") }
        #expect(!page.contains("{{"))
        #expect(page.components(separatedBy: "expected open, timeout in 72 of 72 cells").count == 4)
    }

    @Test func nothingIsLoadedFromElsewhere() throws {
        let page = try page(SampleRun(), name: "pass")
        #expect(page.contains("default-src &#39;none&#39;; script-src &#39;sha256-"))
        for text in [
            "http://", "https://", "src=", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", " style=",
            "onclick=",
        ] {
            #expect(!page.contains(text), "\(text)")
        }
    }

    @Test func hostileTextStaysText() throws {
        let page = try page(SampleRun(expectBlocked: "open", hostile: nasty), name: "hostile")
        #expect(!page.contains("<img"))
        #expect(page.components(separatedBy: "</script>").count == 3)
        for scalar in page.unicodeScalars where scalar != "\n" { #expect(PlainText.isHarmless(scalar)) }
        #expect(!page.unicodeScalars.contains("\u{2028}"))
        // No quote or bracket of the hostile text may survive, not even one with a combining mark.
        let scalars = Array(page.unicodeScalars)
        let end =
            page.unicodeScalars.count
            - (page.range(of: "<script type").map {
                page[$0.lowerBound...].unicodeScalars.count
            } ?? 0)
        for (index, scalar) in scalars[..<end].enumerated() where scalar == "\u{301}" {
            #expect(scalars[index - 1] == ";")
        }
    }

    @Test func requestsToTheAPIServerAreATable() throws {
        let counts = APIRequestCounts(
            clients: [
                .init(
                    name: "kubelet", user: "system:node:*", addresses: 16,
                    verbs: ["list": 320, "watch": 48, "other": 2],
                    refused: 3),
                .init(name: "kubectl" + nasty, user: "labrun" + nasty, addresses: 1, verbs: ["get": 5], refused: 0),
            ], unreadLines: 7)
        let run = SampleRun(requests: counts)
        #expect(assemble(run.events).lab?.controlPlane?.requests == counts)
        let page = try page(run, name: "requests")
        for text in [
            "375 requests, 320 of them lists and 48 watches", "7 lines of it could not be read",
            "<th scope=\"col\">watch</th><th scope=\"col\">get</th><th scope=\"col\">other</th>",
            "<td class=\"number\">16</td><td class=\"number\">320</td><td class=\"number\">48</td>"
                + "<td class=\"number\"></td><td class=\"number\">2</td><td class=\"number\">370</td>"
                + "<td class=\"number\">3</td>",
        ] { #expect(page.contains(text), "\(text)") }
        #expect(!page.contains("<img"))
        // A verb that nobody used has no column, and a lab without a control plane no table.
        #expect(!page.contains("<th scope=\"col\">patch</th>"))
        #expect(!(try HTMLReporter.page(assemble(SampleRun().events))).contains("Requests to the API server"))
    }

    @Test func aHundredEndpointsStaySmall() throws {
        let page = try page(SampleRun(nodes: 4, podsPerNode: 24), name: "hundred")
        #expect(page.utf8.count < 6_000_000)
    }

    @Test func aLongLineStaysShort() throws {
        let page = try HTMLReporter.page(assemble(SampleRun(hostile: String(repeating: "A", count: 200_000)).events))
        #expect(page.utf8.count < 1_000_000)
    }

    @Test func aDeadLabHasAPageToo() throws {
        let page = try HTMLReporter.page(assemble(Array(SampleRun().events.prefix(3)), .died("no QEMU")))
        #expect(page.contains("INFRA-ERROR") && page.contains("no QEMU") && page.contains("Steps not run"))
        _ = try HTMLReporter.page(assemble([]))
    }
}
