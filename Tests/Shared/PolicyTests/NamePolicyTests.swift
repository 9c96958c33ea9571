import KubeObjects
import NetAddress
import Testing

@testable import Policy

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("one.example.com", "one.example.com", true), ("one.example.com", "ONE.Example.com.", true),
        ("One.example.com.", "one.example.com", true), ("one.example.com", "two.example.com", false),
        ("one.example.com", "a.one.example.com", false),
        ("*.example.com", "a.example.com", true), ("*.example.com", "a-b_c.example.com", true),
        ("*.example.com", "example.com", false), ("*.example.com", "a.b.example.com", false),
        ("*.example.com", "a.example.com.evil.net", false), ("*.example.com", "aexample.com", false),
        ("sub*.example.com", "sub.example.com", true), ("sub*.example.com", "subway.example.com", true),
        ("sub*.example.com", "asub.example.com", false), ("*sub.example.com", "a-sub.example.com", true),
        ("a*b*c.net", "axxbxbxc.net", true), ("a*b*c.net", "axxbxbx.net", false), ("a*b*c.net", "abc.net", true),
        ("*.*.net", "a.b.net", true), ("*.*.net", "a.net", false), ("*", "a.b.c.d", true), ("*", "", true),
        ("*.com", "!.com", false), ("*.com", "\u{E4}.com", false),
    ])
    func patterns(_ pattern: String, _ name: String, _ isMatch: Bool) throws {
        #expect(try NamePattern(pattern, isPattern: true).matches(name) == isMatch)
    }

    @Test(arguments: ["", ".", "a..b", "a b.com", "a/b", "**", "**.example.com", "[a].com", "a.*b**.com"])
    func `no patterns`(_ text: String) {
        #expect(throws: NamePattern.Mistake.self) { try NamePattern(text, isPattern: true) }
    }

    @Test func `a name has no star, and a length`() {
        #expect(throws: NamePattern.Mistake.self) { try NamePattern("*.a", isPattern: false) }
        #expect(throws: NamePattern.Mistake.self) {
            try NamePattern(String(repeating: "a.", count: 200), isPattern: false)
        }
    }
}

@Suite struct NamePolicyTests {
    private static let rules = """
        {"endpointSelector":{"matchLabels":{"app":"web"}},"egress":[
          {"toEndpoints":[{"matchLabels":{"app":"other"}}],
           "toPorts":[{"ports":[{"port":"53","protocol":"ANY"}],"rules":{"dns":[{"matchPattern":"*.example.com"}]}}]},
          {"toFQDNs":[{"matchName":"one.example.com"},{"matchPattern":"*.org"}],"toPorts":[{"ports":[{"port":"443"}]}]},
          {"toFQDNs":[{"matchName":"one.example.com"}],
           "toPorts":[{"ports":[{"port":"80","protocol":"TCP"}],"rules":{"http":[
             {"method":"GET","headerMatches":[{"name":"X-Token","value":"a"},{"name":"X-Any","mismatch":"FAIL"}]}]}}]}]}
        """

    private func compiler(_ names: [UInt32: Set<String>]) throws -> PolicyCompiler {
        let units = try TestCluster.ciliumPolicy(Self.rules)
        let learned = names.map {
            PeerIdentity(
                number: $0, labels: ["reserved:world"], range: IPv4CIDR(host: IPv4Address(rawValue: $0)), names: $1)
        }
        return PolicyCompiler(units: units, identities: TestCluster.identities(units) + learned, node: 1)
    }

    private static let web = TestCluster.labels[TestCluster.web] ?? []

    @Test func `names lead to the identities of their addresses`() throws {
        var compiler = try compiler([77: ["one.example.com"], 78: ["x.org", "two.example.com"], 79: ["a.b.org"]])
        let compiled = compiler.compile(labels: Self.web)
        let egress = try #require(compiled.egress)
        func decision(_ identity: UInt32, _ port: UInt16, _ transport: PortProtocol = .tcp) -> PolicyDecision? {
            egress.decision(identity: identity, port: port, of: transport)
        }
        #expect(decision(77, 443)?.verdict == .allow)
        #expect(decision(77, 443)?.rule == "CiliumNetworkPolicy default/p egress[1] (toFQDNs one.example.com)")
        #expect(decision(78, 443)?.rule == "CiliumNetworkPolicy default/p egress[1] (toFQDNs *.org)")
        #expect(decision(77, 80)?.verdict == .redirect && decision(77, 80)?.reader == .http)
        #expect(decision(78, 80)?.verdict == .defaultDeny)
        #expect(decision(79, 443)?.verdict == .defaultDeny)
        #expect(decision(TestCluster.world, 443)?.verdict == .defaultDeny)
        for transport in [PortProtocol.udp, .tcp] {
            #expect(decision(TestCluster.other, 53, transport)?.reader == .dns)
            #expect(decision(TestCluster.other, 53, transport)?.verdict == .redirect)
        }
        #expect(PolicyCompiler.names(in: compiler.units).map(\.text).sorted() == ["*.org", "one.example.com"])
    }

    @Test func `questions and requests are judged by egress rules`() throws {
        var compiler = try compiler([77: ["one.example.com"]])
        let compiled = compiler.compile(labels: Self.web)
        let found = compiler.requests(labels: Self.web, compiled, .egress)
        let policy = try #require(found)
        let ofIngress = compiler.requests(labels: Self.web, compiled, .ingress)
        #expect(ofIngress == nil)
        func asks(_ name: String, _ identity: UInt32 = TestCluster.other, _ transport: PortProtocol = .udp)
            -> RequestPolicy.Verdict
        { policy.verdict(onName: name, peer: identity, port: 53, of: transport) }
        #expect(asks("a.example.com") == .allowed)
        #expect(asks("a.example.com", TestCluster.other, .tcp) == .allowed)
        #expect(asks("example.com") == .denied(by: "CiliumNetworkPolicy default/p egress[0]"))
        #expect(asks("a.example.com", TestCluster.client) == .denied(by: "CiliumNetworkPolicy default/p"))
        func request(_ method: String, _ headers: [(name: String, value: String)]) -> RequestPolicy.Verdict {
            policy.verdict(
                on: RequestFacts(method: method, path: "/", host: nil, headers: headers), peer: 77, port: 80)
        }
        let headers = [(name: "x-token", value: "a"), (name: "X-ANY", value: "z")]
        #expect(request("GET", headers) == .allowed)
        let refused = RequestPolicy.Verdict.denied(by: "CiliumNetworkPolicy default/p egress[2]")
        #expect(request("POST", headers) == refused)
        #expect(request("GET", [headers[1]]) == refused)
        #expect(request("GET", [(name: "X-Token", value: "b"), headers[1]]) == refused)
        // A DNS rule says nothing of HTTP requests, and the other way round.
        #expect(policy.verdict(onName: "one.example.com", peer: 77, port: 80, of: .tcp) == refused)
    }

    @Test func `a named port is each peer's own`() throws {
        let units = try TestCluster.ciliumPolicy(
            """
            {"endpointSelector":{"matchLabels":{"app":"client"}},"egress":[
              {"toEndpoints":[{"matchExpressions":[{"key":"k8s:io.kubernetes.pod.namespace","operator":"Exists"}]}],
               "toPorts":[{"ports":[{"port":"http","protocol":"TCP"}],"rules":{"http":[{"path":"/a"}]}}]},
              {"toEndpoints":[{"matchLabels":{"app":"web"}}],
               "toPorts":[{"ports":[{"port":"8080","protocol":"TCP"}],"rules":{"http":[{"path":"/b"}]}}]}]}
            """)
        var compiler = PolicyCompiler(units: units, identities: TestCluster.identities(units), node: 1)
        let labels = TestCluster.labels[TestCluster.client] ?? []
        let compiled = compiler.compile(labels: labels)
        let found = compiler.requests(labels: labels, compiled, .egress)
        let policy = try #require(found)
        func asks(_ path: String, _ identity: UInt32, _ port: UInt16) -> Bool {
            policy.verdict(
                on: RequestFacts(method: "GET", path: path, host: nil, headers: []), peer: identity, port: port)
                == .allowed
        }
        #expect(asks("/a", TestCluster.web, 80) && !asks("/b", TestCluster.web, 80))
        #expect(asks("/b", TestCluster.web, 8080) && !asks("/a", TestCluster.web, 8080))
        #expect(asks("/a", TestCluster.prodWeb, 8080))
    }

    @Test(arguments: [
        (#""egressDeny":[{"toFQDNs":[{"matchName":"a.b"}]}]"#, "egressDeny[0].toFQDNs"),
        (#""egress":[{"toFQDNs":[{"matchName":"a.b","matchPattern":"*"}]}]"#, "either matchName or matchPattern"),
        (#""egress":[{"toFQDNs":[{"matchPattern":"**.b"}]}]"#, "toFQDNs[0].matchPattern"),
        (#""egress":[{"toFQDNs":[{"matchName":"a.b"}],"toCIDR":["1.1.1.1/32"]}]"#, "cannot be combined"),
        (
            #""ingress":[{"toPorts":[{"ports":[{"port":"53"}],"rules":{"dns":[{"matchPattern":"*"}]}}]}]"#,
            "egress rules only"
        ),
        (#""egress":[{"toPorts":[{"rules":{"dns":[{"matchPattern":"*"}]}}]}]"#, "needs ports"),
        (
            #""egress":[{"toPorts":[{"ports":[{"port":"53"}],"rules":{"dns":[{"matchName":"a"}],"http":[{"#
                + #""path":"/"}]}}]}]"#,
            "cannot be combined"
        ),
        (
            #""egress":[{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}],"rules":{"http":[{"#
                + #""headerMatches":[{"name":"A","mismatch":"LOG"}]}]}}]}]"#,
            "headerMatches[0].mismatch: LOG is not supported"
        ),
        (
            #""egress":[{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}],"rules":{"http":[{"#
                + #""headerMatches":[{"name":"A","secret":{}}]}]}}]}]"#,
            "headerMatches[0].secret"
        ),
    ])
    func `refused by name`(_ rules: String, _ words: String) {
        do {
            _ = try TestCluster.ciliumPolicy(#"{"endpointSelector":{},\#(rules)}"#)
            Issue.record("not refused: \(rules)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }
}
