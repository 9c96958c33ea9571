import Testing

@testable import KubeletConformance

@Suite struct ConformanceTests {
    /// Lines of an audit log, by what differs in them.
    private func line(
        _ resource: String, _ name: String, _ body: String, subresource: String? = nil, verb: String = "patch",
        user: String = "system:node:node1", code: Int = 200
    ) -> String {
        let part = subresource.map { #","subresource":"\#($0)""# } ?? ""
        return #"{"kind":"Event","verb":"\#(verb)","user":{"username":"\#(user)"},"#
            + #""objectRef":{"resource":"\#(resource)","namespace":"default","name":"\#(name)"\#(part)},"#
            + #""responseStatus":{"code":\#(code)},"requestObject":\#(body)}"#
    }

    private func status(_ pod: String, _ body: String, code: Int = 200) -> String {
        line("pods", pod, #"{"metadata":{"uid":"1"},"status":\#(body)}"#, subresource: "status", code: code)
    }

    private func trace(_ lines: [String], calls: String = "") -> KubeletTrace {
        KubeletTrace(auditLog: Array(lines.joined(separator: "\n").utf8), pluginCalls: calls)
    }

    private let waiting =
        #"{"phase":"Pending","conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [a]"}],"containerStatuses":[{"name":"a","ready":false,"state":{"waiting":{"reason":"ContainerCreating"}}}]}"#
    private let running =
        #"{"phase":"Running","$setElementOrder/conditions":[{"type":"Ready"}],"conditions":[{"type":"Ready","status":"True","reason":null,"message":null}],"containerStatuses":[{"name":"a","ready":true,"state":{"running":{"startedAt":"2026-11-30T08:00:00Z"}}}]}"#

    @Test func `a pod's phases, conditions and containers are told in the order in which they came`() {
        let trace = trace([status("web", waiting), status("web", running), status("web", running)])
        #expect(trace.values["web"]?["phase"] == ["Pending", "Running"])
        #expect(
            trace.values["web"]?["condition Ready"] == [
                "False ContainersNotReady containers with unready status: [a]", "True",
            ])
        #expect(trace.values["web"]?["container a"] == ["waiting ContainerCreating", "running (ready)"])
    }

    @Test func `a patch says only what changes of a condition`() {
        let later = #"{"conditions":[{"type":"Ready","message":"other"}]}"#
        let trace = trace([status("web", waiting), status("web", later)])
        #expect(trace.values["web"]?["condition Ready"]?.last == "False ContainersNotReady other")
    }

    @Test func `what was refused, what others wrote and other namespaces are left out`() {
        let other = status("web", waiting).replacing(#""namespace":"default""#, with: #""namespace":"kube-system""#)
        let strange = status("web", waiting).replacing("system:node:node1", with: "system:admin")
        #expect(trace([status("web", waiting, code: 409), other, strange, "no line", "", "{}"]).values.isEmpty)
    }

    @Test func `events are told without what differs from run to run`() {
        let body =
            #"{"metadata":{"name":"web.1"},"involvedObject":{"kind":"Pod","name":"web"},"type":"Normal","reason":"Pulled","message":"Successfully pulled image \"a\" in 1.234567s"}"#
        let trace = trace([
            line("events", "web.1", body, verb: "create", code: 201),
            line("events", "web.1", #"{"count":2}"#),
        ])
        #expect(trace.values["web"]?["events"] == [#"Normal Pulled Successfully pulled image "a" in DURATION"#])
    }

    @Test(arguments: [
        ("pod web_default(7c5f5196-c4a6-e144-ddef-2da58d283f9a)", "pod web_default(UID)"),
        ("back-off 10s restarting", "back-off 10s restarting"),
        ("dial tcp 192.168.1.17:81: connect", "dial tcp ADDRESS: connect"),
        ("sandbox \"2684213771ecf70e232870eb0874b6e2e877fa82fd38602e6b30eba40082b929\"", "sandbox \"ID\""),
        ("at 2026-11-30T08:00:58.149906643Z  and\nmore", "at TIME and more"), ("in 3m2.5s", "in DURATION"),
        ("in 2 steps", "in 2 steps"),
    ])
    func `words that differ from run to run`(text: String, comparable: String) {
        #expect(Wording.comparable(text) == comparable)
    }

    @Test func `calls of plugins are told by pod`() {
        let calls = """
            ADD labrun default/web
            ADD labrun kube-system/dns
            ADD labrun default/other: no answer
            DEL labrun default/web
            DEL labrun default/web
            something else
            """
        let trace = trace([], calls: calls)
        #expect(trace.values["web"]?["network"] == ["ADD labrun", "DEL labrun"])
        #expect(trace.values["other"]?["network"] == ["ADD labrun failed"])
        #expect(trace.values.count == 2)
    }

    @Test func `equal traces do not differ, and what one alone tells is a difference`() {
        let one = trace([status("web", waiting), status("web", running)])
        #expect(Comparison.differences(light: one, real: one).isEmpty)
        let other = trace([status("web", running)])
        let found = Comparison.differences(light: one, real: other)
        #expect(found.contains(Difference(subject: "web", aspect: "phase", side: .light, value: "Pending")))
        #expect(found.allSatisfy { $0.side == .light })
        let turned = trace([status("web", running), status("web", waiting)])
        #expect(Comparison.differences(light: one, real: turned).allSatisfy { $0.side == .order })
        #expect(!Comparison.differences(light: one, real: turned).isEmpty)
    }

    @Test func `a known difference needs all that it says`() {
        let difference = Difference(
            subject: "web", aspect: "container a", side: .light, value: "waiting PodInitializing")
        #expect(KnownDifference(aspect: "container", mentions: "PodInit", reason: "r").covers(difference))
        #expect(KnownDifference(subject: "web", aspect: "container a", side: .light, reason: "r").covers(difference))
        #expect(!KnownDifference(subject: "dns", aspect: "container", reason: "r").covers(difference))
        #expect(!KnownDifference(aspect: "container", side: .real, reason: "r").covers(difference))
        #expect(!KnownDifference(aspect: "events", reason: "r").covers(difference))
        #expect(!KnownDifference(aspect: "container", mentions: "Crash", reason: "r").covers(difference))
    }

    @Test func `the report tells what has a reason, what has none, and which reasons are of no use`() {
        let one = trace([status("web", waiting), status("web", running)])
        let other = trace([status("web", running)])
        let known = [
            KnownDifference(aspect: "phase", side: .light, mentions: "Pending", reason: "it is short"),
            KnownDifference(aspect: "network", reason: "nobody calls"),
        ]
        let report = ConformanceReport(light: one, real: other, known: known)
        #expect(report.explained.map { $0.reason } == ["it is short"])
        #expect(report.unexplained.map(\.aspect) == ["condition Ready", "container a"])
        #expect(report.unseen.map(\.aspect) == ["network"])
        #expect(report.agreed == 3)
        #expect(report.lines.last == "2 differences without a reason, 1 with one")
    }

    @Test func `every known difference has a reason that says something`() {
        for known in KnownDifferences.all {
            #expect(known.reason.count > 20 && !known.aspect.isEmpty, "\(known)")
        }
    }
}
