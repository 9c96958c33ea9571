import KubeClient
import Testing

@Suite struct DiscoveryTests {
    /// A server before `discovery.k8s.io/v1`, with an API whose server is away.
    private static let answers = [
        "/api": #"{"kind":"APIVersions","versions":["v1"]}"#,
        "/apis": """
        {"kind":"APIGroupList","groups":[
          {"name":"apps","versions":[{"groupVersion":"apps/v1beta1","version":"v1beta1"},
            {"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}},
          {"name":"discovery.k8s.io","versions":[{"groupVersion":"discovery.k8s.io/v1beta1","version":"v1beta1"}]},
          {"name":"metrics.k8s.io","versions":[{"groupVersion":"metrics.k8s.io/v1","version":"v1"}]}]}
        """,
        "/api/v1": """
        {"resources":[{"name":"pods","singularName":"","namespaced":true,"kind":"Pod","verbs":["get","watch"],
          "shortNames":["po"]},{"name":"pods/status","namespaced":true,"kind":"Pod","verbs":["get"]},
          {"name":"nodes","namespaced":false,"kind":"Node","verbs":null}]}
        """,
        "/apis/apps/v1":
            #"{"resources":[{"name":"deployments","namespaced":true,"kind":"Deployment","verbs":["get"]}]}"#,
        "/apis/apps/v1beta1":
            #"{"resources":[{"name":"deployments","namespaced":true,"kind":"Deployment","verbs":["get"]}]}"#,
        "/apis/discovery.k8s.io/v1beta1":
            #"{"resources":[{"name":"endpointslices","namespaced":true,"kind":"EndpointSlice","verbs":["get"]}]}"#,
    ]

    private func server() throws -> ScriptedServer {
        try ScriptedServer { received in
            if let answer = Self.answers[received.path] { return [.answer(answer)] }
            return [.answer(received.path.contains("metrics") ? 503 : 404, #"{"message":"away"}"#)]
        }
    }

    @Test func `everything that a server serves`() async throws {
        let server = try server()
        let client = server.client()
        let found = try await client.discover()
        #expect(
            found.resources.map(\.resource.description) == [
                "pods.v1", "nodes.v1", "deployments.v1.apps", "deployments.v1beta1.apps",
                "endpointslices.v1beta1.discovery.k8s.io",
            ])
        #expect(Array(found.missing.keys) == ["metrics.k8s.io/v1"])
        #expect(found.resource(apiVersion: "v1", kind: "Pod")?.subresources == ["status"])
        #expect(found.resource(apiVersion: "apps/v2", kind: "Deployment") == nil)
        for name in ["po", "pods", "Pod", "pod"] { #expect(found.resource(named: name)?.kind == "Pod") }
        #expect(found.resource(named: "deployments.apps")?.resource == .deployments)
        #expect(found.resource(named: "deployments.extensions") == nil && found.resource(named: "") == nil)
        #expect(found.serves(.nodes) && !found.serves(.endpointSlices))
    }

    @Test func `the newest version that is served`() async throws {
        let server = try server()
        let client = server.client()
        for _ in 0..<3 {
            #expect(try await client.firstServed(of: [.endpointSlices, .endpointSlicesBeta]) == .endpointSlicesBeta)
        }
        #expect(try await client.firstServed(of: [.podDisruptionBudgets]) == nil)
        #expect(server.received.filter { $0.path.hasSuffix("discovery.k8s.io/v1beta1") }.count == 1)
    }

    @Test func `what was found out is kept`() async throws {
        let server = try ScriptedServer { received in
            [.answer(received.path == "/apis" ? #"{"groups":[]}"# : Self.answers[received.path] ?? "{}")]
        }
        let client = server.client()
        let found = try await client.discover()
        #expect(try await client.discover() == found && server.received.count == 3)
        #expect(try await client.discover(again: true) == found && server.received.count == 6)
    }
}
