import KubeObjects
import Testing

@testable import Policy

@Suite struct RequestRulesTests {
    private func request(
        _ method: String = "GET", _ path: String = "/", host: String? = nil,
        _ headers: [(name: String, value: String)] = []
    ) -> RequestFacts {
        RequestFacts(method: method, path: path, host: host, headers: headers)
    }

    @Test func `all that is given must match`() throws {
        let match = try RequestMatch(
            HTTPMatch(method: "GET|HEAD", path: "/a/.*", host: "web(:80)?", headers: ["X-Token: secret", "X-Any"]))
        let headers = [(name: "x-token", value: "secret"), (name: "X-Any", value: "1")]
        #expect(match.matches(request("HEAD", "/a/b", host: "web:80", headers)))
        #expect(!match.matches(request("POST", "/a/b", host: "web:80", headers)))
        #expect(!match.matches(request("GET", "/b", host: "web:80", headers)))
        #expect(!match.matches(request("GET", "/a/b", host: "other", headers)))
        #expect(!match.matches(request("GET", "/a/b", host: nil, headers)))
        #expect(!match.matches(request("GET", "/a/b", host: "web", [headers[0]])))
        #expect(!match.matches(request("GET", "/a/b", host: "web", [(name: "X-Token", value: "no"), headers[1]])))
        // If a header has two values, the server may take the other one.
        #expect(!match.matches(request("GET", "/a/b", host: "web", headers + [(name: "X-Token", value: "no")])))
        #expect(try RequestMatch(HTTPMatch()).matches(request("DELETE", "/x?y")))
    }

    private static let client = PeerIdentity(
        number: 300, labels: ["k8s:app=client", "k8s:io.kubernetes.pod.namespace=default"])
    private static let other = PeerIdentity(
        number: 301, labels: ["k8s:app=other", "k8s:io.kubernetes.pod.namespace=default"])

    private func policy(_ ingress: [CiliumIngressRule], deny: [CiliumIngressRule]? = nil) throws -> RequestPolicy? {
        var rule = CiliumRule(endpointSelector: LabelSelector(matchLabels: ["app": "web"]))
        rule.ingress = ingress
        rule.ingressDeny = deny
        let object = CiliumNetworkPolicy(metadata: ObjectMeta(name: "p", namespace: "default"), spec: rule)
        var compiler = PolicyCompiler(units: try object.units(), identities: [Self.client, Self.other], node: 1)
        let labels = ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=default"]
        return compiler.requests(labels: labels, compiler.compile(labels: labels))
    }

    private func ingress(
        _ app: String, port: Int = 80, over transport: TransportProtocol = .tcp, _ http: [CiliumHTTPRule]?
    ) -> CiliumIngressRule {
        var rule = CiliumIngressRule()
        rule.fromEndpoints = [LabelSelector(matchLabels: ["app": app])]
        rule.toPorts = [
            CiliumPortRule(
                ports: [CiliumPort(port: .integer(port), protocol: transport)],
                rules: http.map { CiliumL7Rules(http: $0) })
        ]
        return rule
    }

    @Test func `rules of the connection's client and port are asked`() throws {
        let policy = try #require(
            try policy([
                ingress("client", [CiliumHTTPRule(path: "/", method: "GET")]),
                ingress("client", [CiliumHTTPRule(path: "/more", method: "GET")]),
                ingress("other", port: 81, nil),
            ]))
        #expect(policy.verdict(on: request(), peer: 300, port: 80) == .allowed)
        #expect(policy.verdict(on: request("GET", "/more"), peer: 300, port: 80) == .allowed)
        let name = "CiliumNetworkPolicy default/p"
        #expect(
            policy.verdict(on: request("POST"), peer: 300, port: 80)
                == .denied(by: "\(name) ingress[0], \(name) ingress[1]"))
        #expect(policy.verdict(on: request(), peer: 300, port: 81) == .denied(by: name))
        #expect(policy.verdict(on: request(), peer: 301, port: 80) == .denied(by: name))
        #expect(policy.verdict(on: request("POST"), peer: 301, port: 81) == .allowed)
        #expect(policy.verdict(on: request(), peer: 0, port: 80) == .denied(by: name))
    }

    @Test func `a rule that allows the port allows every request`() throws {
        let policy = try #require(
            try policy([ingress("client", [CiliumHTTPRule(path: "/")]), ingress("client", nil)]))
        #expect(policy.verdict(on: request("POST", "/x"), peer: 300, port: 80) == .allowed)
    }

    @Test func `nothing looks at requests`() throws {
        #expect(try policy([ingress("client", nil)])?.rules.isEmpty == true)
        #expect(try policy([ingress("client", [])])?.rules.isEmpty == true)
        let plain = try #require(try policy([ingress("client", nil)]))
        #expect(plain.verdict(on: request("POST", "/x"), peer: 300, port: 80) == .allowed)
        #expect(plain.verdict(on: request(), peer: 301, port: 80) == .denied(by: "CiliumNetworkPolicy default/p"))
    }

    @Test func `refused by name`() throws {
        func refusal(_ rule: CiliumIngressRule, deny: Bool = false) -> String {
            do {
                _ = deny ? try policy([], deny: [rule]) : try policy([rule])
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal(ingress("client", [CiliumHTTPRule(path: "(")])).contains("no regular expression"))
        #expect(refusal(ingress("client", [CiliumHTTPRule(headers: [": x"])])).contains("headers"))
        #expect(refusal(ingress("client", [CiliumHTTPRule(path: "/")]), deny: true).contains("cannot be denied"))
        #expect(refusal(ingress("client", port: 0, [CiliumHTTPRule(path: "/")])).hasSuffix("needs ports"))
        for other: TransportProtocol in [.udp, .any, .sctp] {
            #expect(
                refusal(ingress("client", over: other, [CiliumHTTPRule(path: "/")])).contains(
                    "needs ports of protocol TCP"))
        }
    }
}
