import Testing

@testable import Policy

/// NetworkPolicy as Kubernetes specifies it.
@Suite struct NetworkPolicyTests {
    struct Case: CustomTestStringConvertible {
        let name: String
        let spec: String
        let expect: [String]
        var testDescription: String { name }
    }

    static let cases = [
        Case(
            name: "selects nobody else",
            spec: #"{"podSelector":{"matchLabels":{"app":"web"}}}"#,
            expect: [
                "web < client tcp 80 deny", "web > client tcp 80 open", "client < web tcp 80 open",
                "prod-web < client tcp 80 open",
            ]),
        Case(
            name: "empty podSelector selects every pod of the namespace", spec: #"{"podSelector":{}}"#,
            expect: [
                "web < client tcp 80 deny", "other < client icmp 8 deny", "prod-web < client tcp 80 open",
            ]),
        Case(
            name: "policyTypes default to ingress", spec: #"{"podSelector":{},"ingress":[{}]}"#,
            expect: ["web < world tcp 80 allow", "web > world tcp 80 open"]),
        Case(
            name: "policyTypes default to both when there are egress rules",
            spec: #"{"podSelector":{},"egress":[{}]}"#,
            expect: ["web < client tcp 80 deny", "web > client tcp 80 allow", "web > world icmp 8 allow"]),
        Case(
            name: "policyTypes egress alone leaves ingress open",
            spec: #"{"podSelector":{},"policyTypes":["Egress"]}"#,
            expect: ["web < client tcp 80 open", "web > client tcp 80 deny", "web > host tcp 80 deny"]),
        Case(
            name: "ingress rules count only when ingress is among the types",
            spec: #"{"podSelector":{},"policyTypes":["Egress"],"ingress":[{}]}"#,
            expect: ["web < client tcp 80 open"]),
        Case(
            name: "the pod's own node always reaches it", spec: #"{"podSelector":{}}"#,
            expect: ["web < host tcp 80 allow", "web < remote-node tcp 80 deny", "web < health icmp 8 deny"]),
        Case(
            name: "empty from is everybody", spec: #"{"podSelector":{},"ingress":[{"from":[]}]}"#,
            expect: ["web < world tcp 1 allow", "web < prod-web udp 53 allow", "web < 1.1.1.1 icmp 8 allow"]),
        Case(
            name: "empty ports are all ports", spec: #"{"podSelector":{},"ingress":[{"ports":[]}]}"#,
            expect: ["web < client tcp 65535 allow", "web < client icmp 8 allow"]),
        Case(
            name: "podSelector selects in the policy's namespace only",
            spec: #"{"podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"client"}}}]}]}"#,
            expect: [
                "web < client tcp 80 allow", "web < prod-client tcp 80 deny", "web < other tcp 80 deny",
                "web < world tcp 80 deny",
            ]),
        Case(
            name: "empty podSelector of a peer: all pods of the namespace, nothing else",
            spec: #"{"podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}]}"#,
            expect: [
                "web < client tcp 80 allow", "web < other udp 1 allow", "web < prod-client tcp 80 deny",
                "web < world tcp 80 deny", "web < remote-node tcp 80 deny",
            ]),
        Case(
            name: "empty namespaceSelector: all pods of all namespaces, but no nodes and not the world",
            spec: #"{"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{}}]}]}"#,
            expect: [
                "web < client tcp 80 allow", "web < prod-client tcp 80 allow", "web < world tcp 80 deny",
                "web < remote-node tcp 80 deny", "web < health tcp 80 deny",
            ]),
        Case(
            name: "namespaceSelector by label",
            spec: #"{"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"a"}}}]}]}"#,
            expect: ["web < prod-client tcp 80 allow", "web < prod-web tcp 80 allow", "web < client tcp 80 deny"]),
        Case(
            name: "namespaceSelector by the name label",
            spec: #"""
                {"podSelector":{},"ingress":[{"from":[{"namespaceSelector":
                 {"matchLabels":{"kubernetes.io/metadata.name":"prod"}}}]}]}
                """#,
            expect: ["web < prod-client tcp 80 allow", "web < client tcp 80 deny"]),
        Case(
            name: "namespaceSelector NotIn holds for namespaces without the label",
            spec: #"""
                {"podSelector":{},"ingress":[{"from":[{"namespaceSelector":
                 {"matchExpressions":[{"key":"team","operator":"NotIn","values":["a"]}]}}]}]}
                """#,
            expect: ["web < client tcp 80 allow", "web < prod-client tcp 80 deny", "web < world tcp 80 deny"]),
        Case(
            name: "podSelector and namespaceSelector of one peer both hold",
            spec: #"""
                {"podSelector":{},"ingress":[{"from":[
                 {"namespaceSelector":{"matchLabels":{"team":"a"}},"podSelector":{"matchLabels":{"app":"client"}}}]}]}
                """#,
            expect: [
                "web < prod-client tcp 80 allow", "web < prod-web tcp 80 deny", "web < client tcp 80 deny",
            ]),
        Case(
            name: "podSelector and namespaceSelector as two peers: either",
            spec: #"""
                {"podSelector":{},"ingress":[{"from":[
                 {"namespaceSelector":{"matchLabels":{"team":"a"}}},{"podSelector":{"matchLabels":{"app":"client"}}}]}]}
                """#,
            expect: [
                "web < prod-client tcp 80 allow", "web < prod-web tcp 80 allow", "web < client tcp 80 allow",
                "web < other tcp 80 deny",
            ]),
        Case(
            name: "matchExpressions",
            spec: #"""
                {"podSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["web","other"]}]},
                 "ingress":[{"from":[{"podSelector":{"matchExpressions":[
                   {"key":"tier","operator":"DoesNotExist"},{"key":"app","operator":"Exists"}]}}]}]}
                """#,
            expect: [
                "web < client tcp 80 allow", "web < other tcp 80 deny", "other < web tcp 80 allow",
                "client < other tcp 80 open",
            ]),
        Case(
            name: "ports: number, default protocol TCP",
            spec: #"{"podSelector":{},"ingress":[{"ports":[{"port":80}]}]}"#,
            expect: [
                "web < client tcp 80 allow", "web < client udp 80 deny", "web < client tcp 81 deny",
                "web < client icmp 8 deny",
            ]),
        Case(
            name: "ports: protocol alone is all its ports",
            spec: #"{"podSelector":{},"ingress":[{"ports":[{"protocol":"UDP"}]}]}"#,
            expect: [
                "web < client udp 0 allow", "web < client udp 65535 allow", "web < client tcp 80 deny",
            ]),
        Case(
            name: "ports: range",
            spec: #"{"podSelector":{},"ingress":[{"ports":[{"port":8000,"endPort":8010,"protocol":"TCP"}]}]}"#,
            expect: [
                "web < client tcp 7999 deny", "web < client tcp 8000 allow", "web < client tcp 8010 allow",
                "web < client tcp 8011 deny",
            ]),
        Case(
            name: "ports: SCTP", spec: #"{"podSelector":{},"ingress":[{"ports":[{"port":132,"protocol":"SCTP"}]}]}"#,
            expect: ["web < client sctp 132 allow", "web < client tcp 132 deny"]),
        Case(
            name: "named port of ingress is the endpoint's own",
            spec: #"{"podSelector":{},"ingress":[{"ports":[{"port":"http"}]}]}"#,
            expect: [
                "web < client tcp 80 allow", "web < client tcp 8080 deny", "other < client tcp 80 deny",
            ]),
        Case(
            name: "named port is of its protocol",
            spec: #"{"podSelector":{},"ingress":[{"ports":[{"port":"dns","protocol":"UDP"}]}]}"#,
            expect: ["web < client udp 53 allow", "web < client tcp 5353 deny"]),
        Case(
            name: "named port of egress is the peer's",
            spec: #"""
                {"podSelector":{"matchLabels":{"app":"client"}},
                 "egress":[{"to":[{"namespaceSelector":{}}],"ports":[{"port":"http"}]}]}
                """#,
            expect: [
                "client > web tcp 80 allow", "client > prod-web tcp 8080 allow", "client > web tcp 8080 deny",
                "client > prod-web tcp 80 deny", "client > other tcp 80 deny",
            ]),
        Case(
            name: "named port of egress to everybody",
            spec: #"{"podSelector":{"matchLabels":{"app":"client"}},"egress":[{"ports":[{"port":"http"}]}]}"#,
            expect: ["client > web tcp 80 allow", "client > prod-web tcp 80 deny", "client > world tcp 80 deny"]),
        Case(
            name: "peers and ports must both hold",
            spec: #"""
                {"podSelector":{"matchLabels":{"app":"web"}},
                 "ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"client"}}}],"ports":[{"port":80}]}]}
                """#,
            expect: [
                "web < client tcp 80 allow", "web < client tcp 443 deny", "web < other tcp 80 deny",
            ]),
        Case(
            name: "rules add up",
            spec: #"""
                {"podSelector":{},"ingress":[
                 {"from":[{"podSelector":{"matchLabels":{"app":"client"}}}],"ports":[{"port":80}]},
                 {"from":[{"podSelector":{"matchLabels":{"app":"other"}}}]},{"ports":[{"port":443}]}]}
                """#,
            expect: [
                "web < client tcp 80 allow", "web < client tcp 443 allow", "web < client tcp 22 deny",
                "web < other tcp 22 allow", "web < world tcp 443 allow", "web < world tcp 80 deny",
            ]),
        Case(
            name: "ipBlock",
            spec: #"""
                {"podSelector":{},"policyTypes":["Egress"],
                 "egress":[{"to":[{"ipBlock":{"cidr":"1.1.0.0/16","except":["1.1.2.0/24"]}}]}]}
                """#,
            expect: [
                "web > 1.1.1.1 tcp 80 allow", "web > 1.1.2.1 tcp 80 deny", "web > 1.2.0.1 tcp 80 deny",
                "web > world tcp 80 deny", "web > client tcp 80 deny",
            ]),
        Case(
            name: "a range inside of an exception by another rule",
            spec: #"""
                {"podSelector":{},"policyTypes":["Egress"],"egress":[
                 {"to":[{"ipBlock":{"cidr":"1.1.0.0/16","except":["1.1.2.0/24"]}}]},
                 {"to":[{"ipBlock":{"cidr":"1.1.2.128/25"}}],"ports":[{"port":53,"protocol":"UDP"}]}]}
                """#,
            expect: [
                "web > 1.1.2.1 udp 53 deny", "web > 1.1.2.129 udp 53 allow", "web > 1.1.2.129 tcp 80 deny",
                "web > 1.1.3.1 tcp 80 allow",
            ]),
        Case(
            name: "ipBlock of everything is the world, not the cluster",
            spec: #"{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"ipBlock":{"cidr":"0.0.0.0/0"}}]}]}"#,
            expect: ["web > 9.9.9.9 tcp 80 allow", "web > client tcp 80 deny", "web > remote-node tcp 80 deny"]),
    ]

    @Test(arguments: cases) func decides(_ test: Case) throws {
        #expect(problems(try TestCluster.networkPolicy(test.spec), test.expect) == [])
    }

    @Test func policiesAddUp() throws {
        let denied = try TestCluster.networkPolicy(#"{"podSelector":{}}"#, name: "deny-all")
        let allowed = try TestCluster.networkPolicy(
            #"""
            {"podSelector":{"matchLabels":{"app":"web"}},
             "ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"client"}}}]}]}
            """#, name: "allow")
        #expect(
            problems(denied + allowed, ["web < client tcp 80 allow", "web < other tcp 80 deny"]) == [])
        let decision = TestCluster.compile(denied + allowed, for: TestCluster.web).ingress?
            .decision(identity: TestCluster.other, port: 80, of: .tcp)
        #expect(decision?.rule == "NetworkPolicy default/allow, NetworkPolicy default/deny-all")
    }

    @Test(arguments: [
        (#"{"podSelector":{},"ingress":[{"from":[{}]}]}"#, "spec.ingress[0].from[0]"),
        (
            #"{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"1.0.0.0/8"},"podSelector":{}}]}]}"#,
            "spec.ingress[0].from[0]"
        ),
        (
            #"{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"1.0.0/8"}}]}]}"#,
            "spec.ingress[0].from[0].ipBlock.cidr"
        ),
        (
            #"{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"::/0"}}]}]}"#,
            "spec.ingress[0].from[0].ipBlock.cidr"
        ),
        (
            #"{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"1.0.0.0/8","except":["2.0.0.0/9"]}}]}]}"#,
            "spec.ingress[0].from[0].ipBlock.except[0]"
        ),
        (#"{"podSelector":{},"ingress":[{"ports":[{"port":80,"endPort":79}]}]}"#, "spec.ingress[0].ports[0]"),
        (#"{"podSelector":{},"ingress":[{"ports":[{"port":"http","endPort":90}]}]}"#, "spec.ingress[0].ports[0]"),
        (#"{"podSelector":{},"ingress":[{"ports":[{"endPort":90}]}]}"#, "spec.ingress[0].ports[0]"),
        (#"{"podSelector":{},"ingress":[{"ports":[{"port":0}]}]}"#, "spec.ingress[0].ports[0]"),
        (#"{"podSelector":{},"ingress":[{"ports":[{"port":70000}]}]}"#, "spec.ingress[0].ports[0]"),
        (
            #"{"podSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}}"#,
            "spec.podSelector.matchExpressions[0]"
        ),
        (
            #"{"podSelector":{"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]}}"#,
            "spec.podSelector.matchExpressions[0]"
        ),
    ])
    func refuses(_ spec: String, field: String) throws {
        let refusal = #expect(throws: PolicyRefusal.self) { try TestCluster.networkPolicy(spec) }
        #expect(refusal?.field == field)
        #expect(refusal?.policy == "NetworkPolicy default/p")
    }
}
