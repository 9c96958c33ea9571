import Testing

@testable import Policy

/// CiliumNetworkPolicy, layers 3 and 4.
@Suite struct CiliumPolicyTests {
    typealias Case = NetworkPolicyTests.Case

    private static func web(_ rules: String) -> String {
        #"{"endpointSelector":{"matchLabels":{"app":"web"}},\#(rules)}"#
    }

    static let cases = [
        Case(
            name: "the field report's manifest",
            spec: web(
                #""ingress":[{"fromEndpoints":[{"matchLabels":{"app":"client"}}],"toPorts":[{"ports":[{"#
                    + #""port":"80","protocol":"TCP"}]}]}]"#
            ),
            expect: [
                "web < client tcp 80 allow", "web < client udp 80 deny", "web < client tcp 81 deny",
                "web < other tcp 80 deny", "web < prod-client tcp 80 deny", "web < world tcp 80 deny",
                "web < host tcp 80 allow", "web > client tcp 80 open", "prod-web < other tcp 80 open",
            ]),
        Case(
            name: "a rule without peers and ports allows nothing", spec: web(#""ingress":[{}]"#),
            expect: ["web < client tcp 80 deny", "web > client tcp 80 open"]),
        Case(
            name: "an empty list does not isolate", spec: web(#""ingress":[],"egress":[{}]"#),
            expect: ["web < client tcp 80 open", "web > client tcp 80 deny"]),
        Case(
            name: "an empty selector in fromEndpoints: all pods of the namespace",
            spec: web(#""ingress":[{"fromEndpoints":[{}]}]"#),
            expect: [
                "web < client tcp 80 allow", "web < prod-client tcp 80 deny", "web < world tcp 80 deny",
                "web < remote-node tcp 80 deny",
            ]),
        Case(
            name: "an empty fromEndpoints list selects nobody",
            spec: web(#""ingress":[{"fromEndpoints":[],"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}]}]}]"#),
            expect: ["web < client tcp 80 deny", "web < world tcp 80 deny"]),
        Case(
            name: "ports without peers: everybody",
            spec: web(#""ingress":[{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}]}]}]"#),
            expect: [
                "web < client tcp 80 allow", "web < world tcp 80 allow", "web < 9.9.9.9 tcp 80 allow",
                "web < client tcp 81 deny",
            ]),
        Case(
            name: "another namespace by its label",
            spec: web(
                #""ingress":[{"fromEndpoints":[{"matchLabels":{"app":"client","#
                    + #""k8s:io.kubernetes.pod.namespace":"prod"}}]}]"#
            ),
            expect: ["web < prod-client tcp 80 allow", "web < client tcp 80 deny"]),
        Case(
            name: "every namespace by an expression",
            spec: web(
                #""ingress":[{"fromEndpoints":[{"matchExpressions":[{"key":"k8s:io.kubernetes.pod.namespace","#
                    + #""operator":"Exists"}]}]}]"#
            ),
            expect: ["web < prod-client tcp 80 allow", "web < client tcp 80 allow", "web < world tcp 80 deny"]),
        Case(
            name: "namespaces by their labels",
            spec: web(
                #""ingress":[{"fromEndpoints":[{"matchLabels":{"io.cilium.k8s.namespace.labels.team":"a"}}]}]"#),
            expect: ["web < prod-web tcp 80 allow", "web < client tcp 80 deny"]),
        Case(
            name: "a reserved label as a peer",
            spec: web(#""ingress":[{"fromEndpoints":[{"matchLabels":{"reserved:remote-node":""}}]}]"#),
            expect: ["web < remote-node tcp 80 allow", "web < api-server tcp 80 allow", "web < client tcp 80 deny"]),
        Case(
            name: "sources of labels: any and k8s",
            spec: web(
                #""ingress":[{"fromEndpoints":[{"matchLabels":{"any:app":"client"}},{"matchLabels":{"#
                    + #""k8s:app":"other"}}]}]"#
            ),
            expect: ["web < client tcp 80 allow", "web < other tcp 80 allow", "web < web tcp 80 deny"]),
        Case(
            name: "a policy does not reach other namespaces",
            spec: #"{"endpointSelector":{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"prod"}},"ingress":[{}]}"#,
            expect: ["prod-web < client tcp 80 open", "web < client tcp 80 open"]),
        Case(
            name: "entities: all", spec: web(#""ingress":[{"fromEntities":["all"]}]"#),
            expect: ["web < world tcp 80 allow", "web < client icmp 8 allow", "web < remote-node tcp 1 allow"]),
        Case(
            name: "entities: world", spec: web(#""egress":[{"toEntities":["world"]}]"#),
            expect: ["web > world tcp 80 allow", "web > client tcp 80 deny", "web > remote-node tcp 80 deny"]),
        Case(
            name: "entities: world includes ranges that other rules name",
            spec: web(
                #""egress":[{"toEntities":["world"]},{"toCIDR":["1.1.1.1/32"],"toPorts":[{"ports":[{"#
                    + #""port":"53"}]}]}]"#),
            expect: ["web > 1.1.1.1 tcp 80 allow", "web > 1.1.1.2 tcp 80 allow"]),
        Case(
            name: "entities: cluster", spec: web(#""ingress":[{"fromEntities":["cluster"]}]"#),
            expect: [
                "web < client tcp 80 allow", "web < prod-client tcp 80 allow", "web < remote-node tcp 80 allow",
                "web < host tcp 80 allow", "web < health icmp 8 allow", "web < world tcp 80 deny",
                "web < api-server tcp 80 allow",
            ]),
        Case(
            name: "entities: host and remote-node", spec: web(#""egress":[{"toEntities":["host"]}]"#),
            expect: ["web > host tcp 80 allow", "web > remote-node tcp 80 deny"]),
        Case(
            name: "entities: kube-apiserver", spec: web(#""egress":[{"toEntities":["kube-apiserver"]}]"#),
            expect: ["web > api-server tcp 443 allow", "web > remote-node tcp 443 deny"]),
        Case(
            name: "entities: none", spec: web(#""egress":[{"toEntities":["none"]}]"#),
            expect: ["web > world tcp 80 deny", "web > client tcp 80 deny"]),
        Case(
            name: "toCIDR takes a plain address", spec: web(#""egress":[{"toCIDR":["1.1.1.1"]}]"#),
            expect: ["web > 1.1.1.1 tcp 80 allow", "web > 1.1.1.2 tcp 80 deny"]),
        Case(
            name: "toCIDRSet with except",
            spec: web(#""egress":[{"toCIDRSet":[{"cidr":"1.0.0.0/8","except":["1.2.0.0/16","1.1.1.1/32"]}]}]"#),
            expect: [
                "web > 1.9.9.9 tcp 80 allow", "web > 1.2.3.4 tcp 80 deny", "web > 1.1.1.1 tcp 80 deny",
                "web > 1.1.1.2 tcp 80 allow", "web > 2.0.0.1 tcp 80 deny",
            ]),
        Case(
            name: "toCIDR and toCIDRSet together",
            spec: web(#""egress":[{"toCIDR":["9.9.9.9/32"],"toCIDRSet":[{"cidr":"1.0.0.0/8"}]}]"#),
            expect: ["web > 9.9.9.9 tcp 80 allow", "web > 1.0.0.1 tcp 80 allow", "web > 8.8.8.8 tcp 80 deny"]),
        Case(
            name: "protocol ANY is TCP, UDP and SCTP, not ICMP",
            spec: web(#""ingress":[{"toPorts":[{"ports":[{"port":"53","protocol":"ANY"}]}]}]"#),
            expect: [
                "web < client tcp 53 allow", "web < client udp 53 allow", "web < client sctp 53 allow",
                "web < client icmp 53 deny",
            ]),
        Case(
            name: "port 0 is every port of the protocol",
            spec: web(#""ingress":[{"toPorts":[{"ports":[{"port":"0","protocol":"UDP"}]}]}]"#),
            expect: ["web < client udp 1 allow", "web < client udp 65535 allow", "web < client tcp 1 deny"]),
        Case(
            name: "port range",
            spec: web(#""ingress":[{"toPorts":[{"ports":[{"port":"8000","endPort":8010,"protocol":"TCP"}]}]}]"#),
            expect: [
                "web < client tcp 8000 allow", "web < client tcp 8005 allow", "web < client tcp 8010 allow",
                "web < client tcp 8011 deny", "web < client tcp 7999 deny",
            ]),
        Case(
            name: "named port", spec: web(#""ingress":[{"toPorts":[{"ports":[{"port":"dns"}]}]}]"#),
            expect: [
                "web < client udp 53 allow", "web < client tcp 5353 allow", "web < client tcp 53 deny",
            ]),
        Case(
            name: "several toPorts",
            spec: web(
                #""ingress":[{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}]},{"ports":[{"port":"53","#
                    + #""protocol":"UDP"}]}]}]"#
            ),
            expect: ["web < client tcp 80 allow", "web < client udp 53 allow", "web < client tcp 53 deny"]),
        Case(
            name: "ICMP by name and number",
            spec: web(#""ingress":[{"icmps":[{"fields":[{"type":"EchoRequest","family":"IPv4"},{"type":13}]}]}]"#),
            expect: [
                "web < client icmp 8 allow", "web < client icmp 13 allow", "web < client icmp 0 deny",
                "web < client tcp 8 deny",
            ]),
        Case(
            name: "a deny rule over an allow rule",
            spec: web(
                #""ingress":[{"fromEntities":["all"]}],"ingressDeny":[{"fromEndpoints":[{"matchLabels":{"#
                    + #""app":"client"}}]}]"#
            ),
            expect: ["web < client tcp 80 forbidden", "web < other tcp 80 allow", "web < world tcp 80 allow"]),
        Case(
            name: "a wide deny rule over a narrow allow rule",
            spec: web(
                #""ingress":[{"fromEndpoints":[{"matchLabels":{"app":"client"}}],"toPorts":[{"ports":[{"#
                    + #""port":"80","protocol":"TCP"}]}]}],"ingressDeny":[{"fromEntities":["all"]}]"#
            ),
            expect: ["web < client tcp 80 forbidden", "web < other tcp 80 forbidden"]),
        Case(
            name: "a deny rule for ports over an allow rule for everything of a peer",
            spec: web(
                #""ingress":[{"fromEndpoints":[{}]}],"ingressDeny":[{"toPorts":[{"ports":[{"port":"20","#
                    + #""endPort":30,"protocol":"TCP"}]}]}]"#
            ),
            expect: [
                "web < client tcp 22 forbidden", "web < client tcp 31 allow", "web < client udp 22 allow",
                "web < world tcp 22 forbidden", "web < world tcp 80 deny",
            ]),
        Case(
            name: "a deny rule for a range within an allowed one",
            spec: web(
                #""egress":[{"toCIDR":["1.0.0.0/8"]}],"egressDeny":[{"toCIDRSet":[{"cidr":"1.1.0.0/16","#
                    + #""except":["1.1.1.1/32"]}]}]"#
            ),
            expect: [
                "web > 1.2.0.1 tcp 80 allow", "web > 1.1.0.1 tcp 80 forbidden", "web > 1.1.1.1 tcp 80 allow",
            ]),
        Case(
            name: "deny rules alone isolate",
            spec: web(#""ingressDeny":[{"fromEndpoints":[{"matchLabels":{"app":"client"}}]}]"#),
            expect: ["web < client tcp 80 forbidden", "web < other tcp 80 deny"]),
        Case(
            name: "deny rules without default deny",
            spec: web(
                #""enableDefaultDeny":{"ingress":false},"ingressDeny":[{"fromEndpoints":[{"matchLabels":{"#
                    + #""app":"client"}}]}]"#
            ),
            expect: ["web < client tcp 80 forbidden", "web < other tcp 80 allow", "web < world udp 1 allow"]),
        Case(
            name: "default deny in a direction without rules",
            spec: web(#""enableDefaultDeny":{"egress":true},"ingress":[{"fromEntities":["all"]}]"#),
            expect: ["web > client tcp 80 deny", "web < client tcp 80 allow"]),
    ]

    @Test(arguments: cases) func decides(_ test: Case) throws {
        #expect(problems(try TestCluster.ciliumPolicy(test.spec), test.expect) == [])
    }

    @Test func kindsOfPoliciesAddUp() throws {
        let kubernetes = try TestCluster.networkPolicy(#"{"podSelector":{},"ingress":[{"ports":[{"port":80}]}]}"#)
        let cilium = try TestCluster.ciliumPolicy(
            Self.web(#""ingressDeny":[{"fromEndpoints":[{"matchLabels":{"app":"other"}}]}]"#))
        #expect(
            problems(
                kubernetes + cilium,
                ["web < client tcp 80 allow", "web < other tcp 80 forbidden", "web < client tcp 81 deny"]) == [])
    }

    @Test func theDecidingRuleIsNamed() throws {
        let units = try TestCluster.ciliumPolicy(
            Self.web(
                #""ingress":[{"fromEntities":["cluster"]},{"fromEndpoints":[{"matchLabels":{"app":"client"}}],"#
                    + #""toPorts":[{"ports":[{"port":"80"}]}]}],"ingressDeny":[{"toPorts":[{"ports":[{"#
                    + #""port":"22"}]}]}]"#
            ), name: "rules")
        let ingress = try #require(TestCluster.compile(units, for: TestCluster.web).ingress)
        func rule(_ identity: UInt32, _ port: UInt16) -> String? {
            ingress.decision(identity: identity, port: port, of: .tcp)?.rule
        }
        let policy = "CiliumNetworkPolicy default/rules"
        #expect(rule(TestCluster.client, 80) == "\(policy) ingress[1]")
        #expect(rule(TestCluster.client, 81) == "\(policy) ingress[0]")
        #expect(rule(TestCluster.client, 22) == "\(policy) ingressDeny[0]")
        #expect(rule(TestCluster.world, 80) == policy)
    }

    @Test(arguments: [
        (#""ingress":[{"fromEndpoints":[{}],"fromEntities":["all"]}]"#, "spec.ingress[0]"),
        (#""egress":[{"toCIDR":["1.0.0.0/8"],"toEntities":["all"]}]"#, "spec.egress[0]"),
        (#""egress":[{"toCIDR":["fd00::/8"]}]"#, "spec.egress[0].toCIDR[0].cidr"),
        (#""egress":[{"toEntities":["world-ipv6"]}]"#, "spec.egress[0].toEntities[0]"),
        (#""ingress":[{"fromEntities":["ingress"]}]"#, "spec.ingress[0].fromEntities[0]"),
        (#""egress":[{"toServices":[{"k8sService":{"serviceName":"a"}}]}]"#, "spec.egress[0].toServices"),
        (
            #""ingress":[{"icmps":[{"fields":[{"type":8}]}],"toPorts":[{"ports":[{"port":"80"}]}]}]"#,
            "spec.ingress[0]"
        ),
        (#""ingress":[{"icmps":[{"fields":[{"type":"Ping"}]}]}]"#, "spec.ingress[0].icmps[0].fields[0]"),
        (#""ingress":[{"icmps":[{"fields":[{"type":8,"family":"IPv6"}]}]}]"#, "spec.ingress[0].icmps[0].fields[0]"),
        (#""ingress":[{"icmps":[{"fields":[{"type":256}]}]}]"#, "spec.ingress[0].icmps[0].fields[0]"),
        (#""ingress":[{"toPorts":[{"ports":[{"port":"80","endPort":70}]}]}]"#, "spec.ingress[0].toPorts[0].ports[0]"),
        (#""ingress":[{"toPorts":[{"ports":[{"port":"-1"}]}]}]"#, "spec.ingress[0].toPorts[0].ports[0]"),
        (#""nodeSelector":{},"ingress":[{}]"#, "spec.nodeSelector"),
        (#""ingress":[{"fromNodes":[{"matchLabels":{"a":"b"}}]}]"#, "spec.ingress[0].fromNodes"),
        (#""ingress":[{"fromRequires":[{}]}]"#, "spec.ingress[0].fromRequires"),
        (#""egress":[{"toGroups":[{"aws":{}}]}]"#, "spec.egress[0].toGroups"),
        (#""egress":[{"toCIDRSet":[{"cidrGroupRef":"a"}]}]"#, "spec.egress[0].toCIDRSet[0]"),
        (#""egress":[{"toCIDRSet":[{}]}]"#, "spec.egress[0].toCIDRSet[0]"),
        (
            #""ingress":[{"toPorts":[{"ports":[{"port":"443"}],"serverNames":["a"]}]}]"#,
            "spec.ingress[0].toPorts[0].serverNames"
        ),
        (
            #""ingress":[{"toPorts":[{"ports":[{"port":"9092"}],"rules":{"kafka":[{}]}}]}]"#,
            "spec.ingress[0].toPorts[0].rules.kafka"
        ),
    ])
    func refuses(_ rules: String, field: String) throws {
        let refusal = #expect(throws: PolicyRefusal.self) { try TestCluster.ciliumPolicy(Self.web(rules)) }
        #expect(refusal?.field == field)
    }

    /// Cilium takes an empty list for a missing one, and refuses a policy without a rule.
    @Test func refusesAPolicyWithoutARule() {
        for rules in [#""ingress":[]"#, #""ingress":[],"egressDeny":[]"#, #""enableDefaultDeny":{"ingress":true}"#] {
            #expect(throws: PolicyRefusal.self) { try TestCluster.ciliumPolicy(Self.web(rules)) }
        }
    }

    @Test func refusesAPolicyWithoutASelector() {
        #expect(throws: PolicyRefusal.self) { try TestCluster.ciliumPolicy(#"{"ingress":[{}]}"#) }
    }
}
