import Foundation
import KubeObjects
import Testing

@Suite struct KubeObjectsTests {
    private func decode<Value: Decodable>(_ text: String, as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }

    @Test func aServiceGetsWhatTheAPIServerFillsIn() throws {
        let service: Service = try decode(
            #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default","#
                + #""managedFields":[{}]},"#
                + #""spec":{"selector":{"app":"web"},"ports":[{"port":80}],"ipFamilies":["IPv4"]}}"#)
        #expect(service.spec.type == .clusterIP)
        #expect(service.spec.ports == [Service.Port(port: 80, targetPort: .integer(80))])
        #expect(service.spec.ports[0].protocol == .tcp)
        #expect(service.spec.sessionAffinity == .none)
        #expect(service.spec.externalTrafficPolicy == .cluster)
        #expect(service.clusterAddresses.isEmpty)
        #expect(service.affinityTimeout == nil)
        #expect(service.key == ObjectKey(namespace: "default", name: "web"))
    }

    @Test func headlessAndAffinity() throws {
        let service: Service = try decode(
            #"{"metadata":{"name":"web"},"spec":{"clusterIP":"None","clusterIPs":["None"],"#
                + #""sessionAffinity":"ClientIP","#
                + #""ports":[{"port":80,"targetPort":"http","nodePort":0}]}}"#)
        #expect(service.isHeadless)
        #expect(service.clusterAddresses.isEmpty)
        #expect(service.affinityTimeout == 10_800)
        #expect(service.spec.ports[0].targetPort.name == "http")
        #expect(service.spec.ports[0].nodePort == nil)
    }

    @Test func valuesThatNoKubernetesHasAreErrors() {
        for text in [
            #"{"metadata":{"name":"a"},"spec":{"type":"Magic"}}"#, #"{"metadata":{"name":"a"},"spec":{"ports":[{}]}}"#,
            #"{"metadata":{},"spec":{}}"#, #"{"metadata":{"name":"a"},"spec":{"ports":[{"port":70000}]}}"#, "[]", "",
        ] {
            #expect(throws: (any Error).self, "\(text)") { try decode(text, as: Service.self) }
        }
    }

    @Test func unknownConditionsCountAsReady() throws {
        let slice: EndpointSlice = try decode(
            #"{"metadata":{"name":"web-1","namespace":"d","labels":{"kubernetes.io/service-name":"web"}},"#
                + #""addressType":"IPv4","endpoints":[{"addresses":["192.168.1.5"]},"#
                + #"{"addresses":["192.168.1.6"],"conditions":{"ready":false,"serving":true,"terminating":true}}],"#
                + #""ports":[{"port":8080}]}"#)
        #expect(slice.service == ObjectKey(namespace: "d", name: "web"))
        #expect(slice.endpoints.map(\.conditions.isReady) == [true, false])
        #expect(slice.endpoints.map(\.conditions.isServing) == [true, true])
        #expect(slice.endpoints.map(\.conditions.isTerminating) == [false, true])
    }

    @Test(
        arguments: [
            (#"{}"#, [.ingress]), (#"{"egress":[{}]}"#, [.ingress, .egress]),
            (#"{"policyTypes":["Egress"]}"#, [.egress]), (#"{"ingress":[{}],"policyTypes":["Ingress"]}"#, [.ingress]),
        ] as [(String, Set<NetworkPolicy.PolicyType>)])
    func directionsThatAPolicyIsolates(_ spec: String, _ expected: Set<NetworkPolicy.PolicyType>) throws {
        let policy: NetworkPolicy = try decode(#"{"metadata":{"name":"p"},"spec":\#(spec)}"#)
        #expect(policy.spec.isolates == expected)
    }

    @Test func absentAndEmptyPeersOfACiliumPolicyDiffer() throws {
        let policy: CiliumNetworkPolicy = try decode(
            #"{"metadata":{"name":"p","namespace":"d"},"spec":{"endpointSelector":{"matchLabels":{"app":"web"}},"#
                + #""ingress":[{"fromEndpoints":[]},{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}],"#
                + #""rules":{"http":[{"method":"GET","path":"/"}]}}]},{"fromEntities":["kube-apiserver"]}],"#
                + #""egressDeny":[{"toCIDRSet":[{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}]}],"#
                + #""egress":[{"toFQDNs":[{"matchPattern":"*.example.com"}],"icmps":[{"fields":[{"type":8}]}]}]},"#
                + #""specs":[{"endpointSelector":{}}]}"#)
        let rules = policy.rules
        #expect(rules.count == 2)
        let ingress = try #require(rules[0].ingress)
        #expect(ingress[0].fromEndpoints == [])
        #expect(ingress[1].fromEndpoints == nil)
        #expect(ingress[1].toPorts?[0].ports[0].port.port == 80)
        #expect(ingress[1].toPorts?[0].rules?.http == [CiliumHTTPRule(path: "/", method: "GET")])
        #expect(ingress[2].fromEntities == [.kubeAPIServer])
        #expect(rules[0].egressDeny?[0].toCIDRSet?[0].except == ["10.1.0.0/16"])
        #expect(rules[0].egress?[0].icmps?[0].fields[0].type.number == 8)
        #expect(rules[1].ingress == nil && rules[1].endpointSelector?.isEmpty == true)
    }

    @Test func anObjectSurvivesItsOwnText() throws {
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "p", namespace: "d", labels: ["a": "b"]),
            spec: NetworkPolicy.Spec(
                podSelector: LabelSelector(matchExpressions: [.init(key: "x", operator: .notIn, values: ["1"])]),
                ingress: [
                    .init(
                        from: [.init(ipBlock: .init(cidr: "10.0.0.0/8", except: ["10.1.0.0/16"]))],
                        ports: [.init(port: .text("http"), endPort: nil), .init(port: .integer(80), endPort: 90)])
                ]))
        let text = try JSONEncoder().encode(policy)
        #expect(try JSONDecoder().decode(NetworkPolicy.self, from: text) == policy)
        // Empty collections are left out, as Kubernetes does it.
        #expect(!String(decoding: text, as: UTF8.self).contains("egress"))
    }

    @Test(arguments: [
        (LabelSelector(), true), (LabelSelector(matchLabels: ["app": "web"]), true),
        (LabelSelector(matchLabels: ["app": "db"]), false), (LabelSelector(matchLabels: ["zone": ""]), false),
        (LabelSelector(matchExpressions: [.init(key: "app", operator: .in, values: ["db", "web"])]), true),
        (LabelSelector(matchExpressions: [.init(key: "app", operator: .in)]), false),
        (LabelSelector(matchExpressions: [.init(key: "app", operator: .notIn, values: ["web"])]), false),
        (LabelSelector(matchExpressions: [.init(key: "zone", operator: .notIn, values: ["a"])]), true),
        (LabelSelector(matchExpressions: [.init(key: "app", operator: .exists)]), true),
        (LabelSelector(matchExpressions: [.init(key: "zone", operator: .exists)]), false),
        (LabelSelector(matchExpressions: [.init(key: "zone", operator: .doesNotExist)]), true),
        (
            LabelSelector(
                matchLabels: ["app": "web"], matchExpressions: [.init(key: "tier", operator: .doesNotExist)]), false
        ),
    ])
    func selectors(_ selector: LabelSelector, _ expected: Bool) {
        #expect(selector.matches(["app": "web", "tier": "1"]) == expected)
    }

    @Test func aSetIsTheChangesThatLeadToIt() {
        func service(_ name: String, _ port: UInt16) -> Service {
            Service(metadata: ObjectMeta(name: name, namespace: "d"), spec: .init(ports: [.init(port: port)]))
        }
        var known: [ObjectKey: Service] = [:]
        #expect(ObjectSet([service("a", 1), service("b", 1)]).changes(from: known).apply(to: &known).count == 2)
        let changes = ObjectSet([service("b", 2), service("c", 1)]).changes(from: known)
        #expect(changes.items.map(\.key.name) == ["b", "c"])
        #expect(changes.removed.map(\.name) == ["a"])
        #expect(changes.apply(to: &known).map(\.name).sorted() == ["a", "b", "c"])
        #expect(ObjectSet([service("b", 2), service("c", 1)]).changes(from: known).isEmpty)
        #expect(changes.apply(to: &known).isEmpty)
    }

    /// Whatever bytes come in, decoding answers or throws.
    @Test func damagedObjectsNeverTrap() throws {
        var generator = SeededGenerator(state: 42)
        let text =
            #"{"metadata":{"name":"p","labels":{"a":"b"}},"spec":{"ports":[{"port":80,"targetPort":"x"}],"#
            + #""ingress":[{"toPorts":[{"ports":[{"port":"80","endPort":90}]}]}],"podSelector":{"#
            + #""matchExpressions":[{"key":"a","operator":"In","values":["1"]}]}}}"#
        let seed = Array(text.utf8)
        var read = 0
        for _ in 0..<3000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                default: bytes.insert(contentsOf: [UInt8]("-99999999999".utf8), at: index)
                }
            }
            let data = Data(bytes)
            if (try? JSONDecoder().decode(Service.self, from: data)) != nil { read += 1 }
            _ = try? JSONDecoder().decode(NetworkPolicy.self, from: data)
            _ = try? JSONDecoder().decode(CiliumNetworkPolicy.self, from: data)
        }
        #expect((1..<3000).contains(read), "\(read) of 3000 are services")
    }
}

/// SplitMix64, so that a failure can be repeated.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
