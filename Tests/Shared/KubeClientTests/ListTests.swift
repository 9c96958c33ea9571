import JSON
@testable import KubeClient
import Testing

@Suite struct ListTests {
    private let limit = Duration.seconds(10)

    private struct Named: Decodable, Sendable, Equatable {
        struct Metadata: Decodable, Equatable { let name: String }
        let metadata: Metadata
    }

    private static func page(_ names: [String], next: String = "", version: Int = 7) -> ScriptedServer.Step {
        let items = names.map { #"{"metadata":{"namespace":"n","name":"\#($0)"}}"# }.joined(separator: ",")
        return .answer(
            #"{"metadata":{"continue":"\#(next)","resourceVersion":"\#(version)"},"items":[\#(items)]}"#
        )
    }

    @Test func `a list is gathered from its pages`() async throws {
        let server = try ScriptedServer { received in
            switch received.query["continue"] {
            case nil: [Self.page(["a", "b"], next: "x/1")]
            case "x%2F1": [Self.page(["c"], next: "2")]
            default: [Self.page([])]
            }
        }
        var limits = KubeClientLimits()
        limits.page = 2
        let list = try await server.client(limits: limits).list(.pods, as: Named.self, within: limit)
        #expect(list.items.map(\.metadata.name) == ["a", "b", "c"] && list.resourceVersion == "7")
        #expect(server.received.map { $0.query["limit"] } == ["2", "2", "2"])
    }

    @Test func `a list whose next page is gone begins again as one page`() async throws {
        let server = try ScriptedServer { received in
            if received.query["continue"] != nil { return [.answer(410, #"{"reason":"Expired","code":410}"#)] }
            return received.index == 0 ? [Self.page(["a"], next: "x")] : [Self.page(["a", "b"], version: 9)]
        }
        let list = try await server.client().list(.pods, as: Named.self, within: limit)
        #expect(list.items.count == 2 && list.resourceVersion == "9")
        #expect(server.received.last?.query == [:])
    }

    @Test func `what is at hand is asked for in one page`() async throws {
        let server = try ScriptedServer { _ in [Self.page(["a"])] }
        _ = try await server.client().list(
            .pods, namespace: "n", labelSelector: "x in (a,b)", resourceVersion: "0", as: Named.self, within: limit)
        #expect(server.received[0].query == ["resourceVersion": "0", "labelSelector": "x%20in%20%28a%2Cb%29"])
    }

    @Test func `an object that cannot be read does not spoil the others`() async throws {
        let server = try ScriptedServer { _ in
            [
                .answer(
                    #"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}},"#
                        + #"{"metadata":{"namespace":"n","name":"b","x":1},"spec":2},{"metadata":{"name":3}},5]}"#)
            ]
        }
        struct Strict: Decodable, Sendable {
            struct Metadata: Decodable { let name: String }
            struct Spec: Decodable { let a: Int? }
            let metadata: Metadata
            let spec: Spec?
        }
        let list = try await server.client().list(.pods, as: Strict.self, within: limit)
        #expect(list.items.map(\.metadata.name) == ["a"] && list.unreadable.count == 3)
        #expect(list.unreadable[0].namespace == "n" && list.unreadable[0].name == "b")
    }

    @Test(arguments: [
        "{}", "[]", #"{"metadata":{}}"#, #"{"metadata":5,"items":[]}"#, "x", "",
        // One object, or another answer, is no list of nothing.
        #"{"kind":"Pod","metadata":{"name":"a","resourceVersion":"7"}}"#,
        #"{"metadata":{"resourceVersion":"7"},"items":{}}"#, #"{"metadata":{"resourceVersion":"7"},"items":0}"#,
    ])
    func `what is no list is malformed`(text: String) async throws {
        let server = try ScriptedServer { _ in [.answer(text)] }
        let error = await failure { try await server.client().list(.pods, as: Named.self, within: limit) }
        #expect(error?.kind == "malformed")
    }

    @Test func `pages have a bound, and a list without objects may have null for them`() async throws {
        let endless = try ScriptedServer { _ in [Self.page(["a"], next: "x")] }
        var limits = KubeClientLimits()
        limits.pages = 3
        let error = await failure {
            try await endless.client(limits: limits).list(.pods, as: Named.self, within: limit)
        }
        #expect(error == .malformed("a list of more than 3 pages") && endless.received.count == 3)
        let empty = try ScriptedServer { _ in [.answer(#"{"metadata":{"resourceVersion":"1"},"items":null}"#)] }
        #expect(try await empty.client().list(.pods, as: Named.self, within: limit).items.isEmpty)
    }
}
