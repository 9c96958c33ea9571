import Hashing
import KubeObjects
import Shapes
import Testing

@testable import Scenario

@Suite struct ObjectTests {
    /// Parses a scenario with the manifests as further documents.
    private func parse(_ manifests: String..., step: String = "") -> (file: ScenarioFile?, problems: [String]) {
        var text = ScenarioText.head + ScenarioText.workloads + "  timeline:\n    - name: first\n"
        text += step.isEmpty ? "" : ScenarioText.indented(step)
        text += "      expect: {diagnosis: {is: none}}\n"
        for manifest in manifests { text += "---\n" + manifest + "\n" }
        let parser = ScenarioParser(faults: testFaults, profiles: ScenarioLoader.labProfiles)
        let parsed = parser.parse(Array(text.utf8), file: "x.yaml", settings: [])
        return (parsed.scenario, parsed.problems.map(\.description))
    }

    private let service = """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec:
          type: NodePort
          selector: {app: web}
          ports:
            - {name: http, port: 80, targetPort: http, nodePort: 30081}
            - {name: dns, port: 53, protocol: UDP}
        """

    @Test func manifestsBecomeTypedObjects() throws {
        let (file, problems) = parse(
            service,
            """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: allow, namespace: other}
            spec:
              endpointSelector: {matchLabels: {app.kubernetes.io/name: test-python}}
              ingress:
                - fromEndpoints: [{matchLabels: {app: client}}]
                  toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET, path: /}]}}]
            """,
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: other, labels: {team: a}}")
        // The policy's namespace has no pods.
        #expect(problems.count == 2 && problems.allSatisfy { $0.contains("no pod of this file") }, "\(problems)")
        let objects = try #require(file).spec.objects
        let service = try #require(objects.first?.object as? Service)
        let policy = try #require(objects[1].object as? CiliumNetworkPolicy)
        let namespace = try #require(objects[2].object as? Namespace)
        #expect(service.key == ObjectKey(namespace: "default", name: "web"))
        #expect(service.spec.ports[0].targetPort == .text("http") && service.spec.ports[0].nodePort == 30081)
        #expect(service.spec.ports[1].protocol == .udp)
        #expect(policy.spec?.ingress?[0].toPorts?[0].rules?.http?[0].method == "GET")
        #expect(namespace.metadata.namespace.isEmpty && namespace.metadata.labels == ["team": "a"])
    }

    /// What the agents would refuse is found before anything boots.
    @Test(arguments: [
        (
            "networking.k8s.io/v1", "NetworkPolicy",
            "{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In}]}}]}]}",
            "x.yaml:20:77: NetworkPolicy default/p cannot be enforced: "
                + "spec.ingress[0].from[0].podSelector.matchExpressions[0]: In of app needs values"
        ),
        (
            "cilium.io/v2", "CiliumNetworkPolicy",
            "{endpointSelector: {}, ingress: [{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}]}",
            "x.yaml:20:40: CiliumNetworkPolicy default/p cannot be enforced: "
                + "spec.ingress[0]: fromEndpoints and fromCIDR"
        ),
        (
            "cilium.io/v2", "CiliumNetworkPolicy", "{endpointSelector: {}, egress: [{toEntities: [ingress]}]}",
            "x.yaml:20:53: CiliumNetworkPolicy default/p cannot be enforced: "
                + "spec.egress[0].toEntities[0]: ingress: there is no ingress proxy"
        ),
    ])
    func policiesThatCannotBeEnforcedAreRefused(
        version: String, kind: String, spec: String, message: String
    ) throws {
        let policy = "apiVersion: \(version)\nkind: \(kind)\nmetadata: {name: p}\nspec: \(spec)"
        let (_, problems) = parse(policy)
        #expect(problems.count == 1 && problems.first?.hasPrefix(message) == true, "\(problems)")
        let applied = parse(step: "apply: {apiVersion: \(version), kind: \(kind), metadata: {name: p}, spec: \(spec)}")
        #expect(applied.problems.first?.contains("cannot be enforced") == true, "\(applied.problems)")
    }

    /// One policy's mistake hides neither another one's nor any other in the file, and is not hidden by them.
    @Test func everyPolicyIsRead() {
        func policy(_ name: String) -> String {
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: \(name)}\n"
                + "spec: {endpointSelector: {}, egress: [{toEntities: [ingress]}]}"
        }
        let (_, problems) = parse(policy("a"), policy("b"), step: "heal: nothing")
        #expect(problems.count == 3, "\(problems)")
        #expect(problems.filter { $0.contains("there is no ingress proxy") }.count == 2)
    }

    /// Each mistake of a policy is told with its own place.
    @Test func everyMistakeOfAPolicyIsTold() {
        let (_, cilium) = parse(
            """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: c}
            spec:
              endpointSelector:
                matchExpressions:
                  - {key: app, operator: In}
              ingress:
                - fromEntities: [ingress]
                  toPorts:
                    - ports: [{port: "0", protocol: TCP}]
                      rules: {http: [{path: "["}]}
              egress:
                - toCIDRSet:
                    - cidr: 10.0.0.0/16
                      except: [10.1.0.0/24, 10.2.0.0/24]
                - toServices: [{k8sService: {serviceName: web}}]
              egressDeny:
                - toFQDNs: [{matchName: example.com}]
            """)
        #expect(
            cilium.map { $0.split(separator: " ")[0] } == [
                "x.yaml:23:9:", "x.yaml:25:22:", "x.yaml:28:25:", "x.yaml:28:26:", "x.yaml:32:20:", "x.yaml:32:33:",
                "x.yaml:33:19:", "x.yaml:35:16:",
            ], "\(cilium.joined(separator: "\n"))")
        let (_, kubernetes) = parse(
            """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: k}
            spec:
              podSelector: {}
              ingress:
                - from:
                    - {ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}
                  ports:
                    - {endPort: 90}
                    - {port: 80, endPort: 79}
            """)
        #expect(
            kubernetes.map { $0.split(separator: " ")[0] } == [
                "x.yaml:24:11:", "x.yaml:26:11:", "x.yaml:27:11:",
            ], "\(kubernetes.joined(separator: "\n"))")
    }

    /// As kubectl does, and as it prints several objects.
    @Test func listsAndEmptyDocumentsAreRead() throws {
        let list = """
            apiVersion: v1
            kind: List
            metadata: {resourceVersion: ""}
            items:
              - {apiVersion: v1, kind: Namespace, metadata: {name: other}}
              - apiVersion: v1
                kind: Pod
                metadata: {name: one, labels: {app: one}}
                spec: {containers: [{name: echo}]}
            """
        let (file, problems) = parse("", list, "# nothing but a comment", service)
        #expect(problems == [])
        let spec = try #require(file).spec
        #expect(spec.workloads.map(\.name) == ["web", "one"])
        #expect(spec.objects.map(\.kind) == [.namespaces, .services])
        let applied = parse(step: "apply:\n" + ScenarioText.indented(list, by: 2))
        #expect(applied.problems == [])
        #expect(applied.file?.spec.timeline.first?.actions.count == 2)
        // What is wrong in a list has its own place.
        let faulty = parse("apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: Nod, metadata: {name: x}}")
        #expect(faulty.problems.count == 1)
        #expect(faulty.problems.first?.hasPrefix("x.yaml:20:28: unknown kind \"Nod\"") == true, "\(faulty.problems)")
    }

    /// A policy that selects nobody at any step is accepted, and warned of.
    @Test func selectorsThatSelectNobodyAreWarnedOf() {
        func policy(_ subject: String, _ peer: String) -> String {
            """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: p}
            spec:
              endpointSelector: {matchLabels: {\(subject)}}
              ingress: [{fromEndpoints: [{matchLabels: {\(peer)}}]}]
            """
        }
        #expect(parse(policy("app: web", "app: web")).problems == [])
        #expect(
            parse(policy("app: wbe", "app: web")).problems == [
                "x.yaml:19:18: warning: CiliumNetworkPolicy default/p protects no pod of this file"
            ])
        #expect(
            parse(policy("app: web", "app: client")).problems == [
                "x.yaml:22:13: warning: a peer of CiliumNetworkPolicy default/p ingress[0] is no pod of this file"
            ])
        // What comes in a later step counts, and the world is no pod.
        let later = """
            apply: {apiVersion: v1, kind: Pod, metadata: {name: c, labels: {app: client}}, spec: {containers: [{name: e}]}}
            """
        #expect(parse(policy("app: web", "app: client"), step: later).problems == [])
        #expect(parse(policy("app: web", "\"reserved:world\": \"\"")).problems == [])
        // Labels that no identity has can select nobody.
        for label in ["serviceaccount", "cluster"] {
            let (_, problems) = parse(policy("app: web", "io.cilium.k8s.policy.\(label): default"))
            #expect(problems.count == 1 && problems[0].contains("identities have no label"), "\(problems)")
        }
    }

    /// A count of pods that never are there is met by any run.
    @Test func podsThatNeverExistAreNotCounted() {
        func problems(_ labels: String, step: String = "") -> [String] {
            var text = ScenarioText.head + ScenarioText.workloads + "  timeline:\n    - name: first\n"
            text += step.isEmpty ? "" : ScenarioText.indented(step)
            text += "      expect: {pods: [{state: running, count: 0, labels: {\(labels)}}], diagnosis: {is: none}}\n"
            text += "    - name: then\n      delete: {kind: DaemonSet, name: web}\n"
            text += "      expect: {pods: [{state: running, count: 0, labels: {app: web}}]}\n"
            return ScenarioText.problems(text)
        }
        #expect(problems("app: web") == [])
        #expect(
            problems("app: wbe") == [
                "x.yaml:15:58: no pod of this file has app=wbe, so that counting them measures nothing; "
                    + "expected labels that a pod has at some step"
            ])
        let scaled = "scale: {deployment: gone, replicas: 0}"
        #expect(problems("app: gone", step: scaled).contains { $0.contains("app=gone") })
    }

    /// Rules for requests need the proxy, which the file's values can take away.
    @Test func rulesForRequestsNeedTheProxy() {
        let policy = """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: p}
            spec:
              endpointSelector: {}
              ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]}]
            """
        #expect(parse(policy, step: "set: {datapath: {values: {l7Proxy: true}}}").problems == [])
        let taken = parse(policy, step: "set: {datapath: {values: {l7Proxy: false}}}").problems
        #expect(
            taken == [
                "x.yaml:15:12: CiliumNetworkPolicy default/p cannot be enforced any more: without l7Proxy nobody reads "
                    + "requests"
            ])
        let given = ScenarioParser(faults: testFaults, profiles: ScenarioLoader.labProfiles).parse(
            Array((ScenarioText.step("expect: {diagnosis: {is: none}}") + "---\n" + policy).utf8), file: "x.yaml",
            settings: [Setting(path: "datapath.values.l7Proxy", value: "false")]
        ).problems.map(\.description)
        #expect(given.contains { $0.hasSuffix("cannot be enforced: l7Proxy is false, so nobody reads requests") })
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        let from: String
        let to: String
        let message: String
        var testDescription: String { message }
    }

    @Test(
        "mistakes have a place",
        arguments: [
            Mistake(
                from: "selector:", to: "selecter:",
                message: "x.yaml:22:3: unknown key \"selecter\" in Service's spec; did you mean \"selector\"?"),
            Mistake(
                from: "port: 80,", to: "port: 80000,",
                message: "x.yaml:24:26: port must be a whole number from 1 to 65535, but the number 80000 is given"),
            Mistake(
                from: "type: NodePort", to: "type: NodPort",
                message:
                    "x.yaml:21:9: type must be one of ClusterIP, NodePort, LoadBalancer, ExternalName, but "
                    + "\"NodPort\" is given; did you mean \"NodePort\"?"
            ),
            Mistake(
                from: "nodePort: 30081", to: "nodePort: 80",
                message: "x.yaml:24:58: nodePort must be a whole number from 30000 to 32767, but the number 80 is given"
            ),
            Mistake(
                from: "nodePort: 30081", to: "nodePort: 30080",
                message: "x.yaml:24:58: 30080 is the port on which the nodes themselves answer probes"),
            Mistake(
                from: "targetPort: http", to: "targetPort: true",
                message:
                    "x.yaml:24:42: targetPort must be a number from 0 to 65535 or a name such as http, but "
                    + "true is given"
            ),
            Mistake(
                from: "name: dns, ", to: "",
                message: "x.yaml:25:7: a port of Service default/web needs a name, for there are several"),
            Mistake(
                from: "type: NodePort", to: "clusterIP: 10.1.2.3",
                message: "x.yaml:21:14: clusterIP 10.1.2.3 is not within the lab's services' 10.100.0.0/16"),
            Mistake(
                from: "type: NodePort", to: "clusterIP: 10.100.0.0",
                message: "x.yaml:21:14: clusterIP 10.100.0.0 is the first or last address of 10.100.0.0/16"),
            Mistake(
                from: "type: NodePort", to: "clusterIP: 10.100.255.255",
                message: "x.yaml:21:14: clusterIP 10.100.255.255 is the first or last address of 10.100.0.0/16"),
            Mistake(
                from: "type: NodePort", to: "externalIPs: [172.31.9.1, 127.0.0.1]",
                message:
                    "x.yaml:21:29: external address 127.0.0.1 is of 127.0.0.0/8 (loopback), which no host can have"),
            Mistake(
                from: "type: NodePort", to: "externalIPs: [255.255.255.255]",
                message:
                    "x.yaml:21:17: external address 255.255.255.255 is of 240.0.0.0/4 (reserved), which no host can "
                    + "have"),
            Mistake(
                from: "type: NodePort", to: "loadBalancerClass: x",
                message:
                    "x.yaml:21:3: loadBalancerClass in Service's spec is not supported: the lab's services do "
                    + "not have it"
            ),
            Mistake(
                from: "kind: Service", to: "kind: Servise",
                message: "x.yaml:18:7: unknown kind \"Servise\"; did you mean \"Service\"?"),
        ])
    func mistakes(_ mistake: Mistake) {
        #expect(service.contains(mistake.from))
        let (file, problems) = parse(service.replacing(mistake.from, with: mistake.to))
        #expect(file == nil)
        #expect(problems == [mistake.message])
    }

    @Test func noTwoServicesHaveOneAddress() {
        let first = service.replacing("type: NodePort", with: "clusterIP: 10.100.0.9")
        let second = first.replacing("name: web", with: "name: other").replacing(", nodePort: 30081", with: "")
        let mine = first.replacing(", nodePort: 30081", with: "")
        #expect(parse(mine, second.replacing("10.100.0.9", with: "10.100.0.8")).problems == [])
        #expect(parse(mine, second).problems == ["x.yaml:31:14: clusterIP 10.100.0.9 is Service default/web's already"])
    }

    @Test func objectsComeAndGoInSteps() throws {
        let apply =
            "apply: {apiVersion: v1, kind: Service, metadata: {name: db}, spec: {selector: {app: web}, ports: "
            + "[{port: 1}]}}"
        let (file, problems) = parse(service, step: apply + "\ndelete: {kind: Service, name: web}")
        #expect(problems == [])
        let actions = try #require(file).spec.timeline[0].actions
        guard case .applyObject(let object) = actions[0], case .deleteObject(let kind, let key) = actions[1] else {
            Issue.record("other actions: \(actions)")
            return
        }
        #expect(object.key.name == "db" && kind == .services && key == ObjectKey(namespace: "default", name: "web"))
        #expect(
            parse(service, step: "delete: {kind: Service, name: wep}").problems == [
                "x.yaml:15:37: no Service default/wep at this step; did you mean \"web\"?"
            ])
        #expect(parse(service, service).problems == ["x.yaml:29:18: Service default/web is given twice"])
    }

    /// The block of values of field report 001, nested as it is. What the lab lacks is refused by name, and no name is
    /// unknown.
    @Test func theValuesBlockOfAFieldReport() {
        let block = """
            debug:
              enabled: true
            cni:
              chainingMode: none
            gatewayAPI:
              enabled: true
              enableProxyProtocol: false
              enableAppProtocol: false
              enableAlpn: false
              xffNumTrustedHops: 2
              hostNetwork:
                enabled: false
            kubeProxyReplacement: true
            socketLB:
              enabled: true
            bpf:
              masquerade: true
            l7Proxy: true
            routingMode: tunnel
            tunnelProtocol: vxlan
            autoDirectNodeRoutes: false
            ipv4NativeRoutingCIDR: ""
            ipam:
              mode: cluster-pool
              operator:
                clusterPoolIPv4PodCIDRList: ["10.100.0.0/16"]
                clusterPoolIPv4MaskSize: 24
            eni:
              enabled: false
            """
        let text =
            ScenarioText.head + "  overrides:\n    datapath:\n      values:\n" + ScenarioText.indented(block, by: 8)
            + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n"
        let problems = ScenarioText.problems(text)
        #expect(
            problems.filter { $0.contains("gatewayAPI") } == [
                "x.yaml:16:20: datapath value gatewayAPI.enabled=true is not supported: the lab has no "
                    + "Gateway API yet; expected one of false, \"\"",
                "x.yaml:20:30: datapath value gatewayAPI.xffNumTrustedHops=2 is not supported: the lab has no "
                    + "Gateway API yet; expected one of false, \"\"",
            ])
        for problem in problems { #expect(problem.contains("is not supported: "), "\(problem)") }
        // The same values in dotted form, as on a command line, give the same messages.
        let dotted = ScenarioText.problems(
            ScenarioText.head + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n",
            settings: [
                Setting(path: "datapath.values.bpf.Masquerade", value: "true"),
                Setting(path: "datapath.values.enable-bpf-masquerade", value: "true"),
                Setting(path: "datapath.values.ipam.Operator.clusterPoolIPv4MaskSize", value: "24"),
                Setting(path: "datapath.values.image.UseDigest", value: "true"),
            ])
        #expect(
            Set(dotted) == [
                "--set:1:1: unknown datapath value \"bpf.Masquerade\"; did you mean "
                    + "\"datapath.values.bpf.masquerade\"?",
                "--set:1:1: unknown datapath value \"enable-bpf-masquerade\"; did you mean "
                    + "\"datapath.values.bpf.masquerade\"?",
                "--set:1:1: unknown datapath value \"ipam.Operator.clusterPoolIPv4MaskSize\"; did you mean "
                    + "\"datapath.values.ipam.operator.clusterPoolIPv4MaskSize\"?",
                "--set:1:1: datapath value image.UseDigest=true is not supported: the agent is part of the "
                    + "node's image; expected one of false, \"\"",
            ])
    }

    @Test func damagedManifestsNeverTrap() {
        var generator = SplitMix64(seed: 7)
        var read = 0
        for _ in 0..<300 {
            var bytes = Array(service.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                if Bool.random(using: &generator) {
                    bytes[index] = UInt8.random(in: 32..<127, using: &generator)
                } else {
                    bytes.remove(at: index)
                }
            }
            let parsed = parse(String(decoding: bytes, as: UTF8.self))
            #expect(parsed.file != nil || !parsed.problems.isEmpty)
            if parsed.file != nil { read += 1 }
        }
        #expect((1..<300).contains(read), "\(read) of 300 were read")
    }
}
