import Diagnosis
import Readings
import Testing

/// Calls of services. Translated packets have a backend's address, and a node's own calls have its address in the pods'
/// range.
@Suite struct ServicePathTests {
    private static let call = FlowTuple(
        protocol: 6, source: "10.0.0.11", sourcePort: 40_000, destination: "10.100.0.16", destinationPort: 80)

    private static let rule = NetfilterRuleReading(
        table: "nat", chain: "KUBE-SERVICES", rule: "-A KUBE-SERVICES -d 10.100.0.16/32 -j KUBE-SVC-A",
        target: "KUBE-SVC-A", destination: "10.100.0.16", comment: nil, grew: 1)

    /// node1 calls a service whose backend is 192.168.2.5, and nothing comes back.
    private func evidence(_ drop: FlowTuple?, discard: FlowTuple? = nil) -> Evidence {
        var evidence = Evidence()
        evidence.nodes = [
            NodeReading(
                name: "node1", address: "10.0.0.11", podCIDR: "192.168.1.0/24", tunnelPort: 8472, power: .running,
                answers: true, carrier: true, agentRunning: true, impairments: [], routerAddress: "192.168.1.1")
        ]
        evidence.endpoints = [
            Endpoint(
                id: "node/node1", kind: .node, node: "node1", namespace: nil, address: "10.0.0.11", port: 30_080,
                labels: [:]),
            Endpoint(
                id: "service/default/web:80", kind: .service, node: nil, namespace: "default", address: "10.100.0.16",
                port: 80, labels: [:], protocol: .tcp),
        ]
        evidence.backends = ["service/default/web:80": ["192.168.2.5"]]
        evidence.probes = [
            ProbeReading(
                key: CellKey(from: "node/node1", to: "service/default/web:80", protocol: .tcp, port: 80),
                observed: .timeout, flow: Self.call, requestArrived: false, sent: 1, answered: 0)
        ]
        if let drop {
            evidence.datapath = [
                PacketEvent(
                    node: "node2", hook: .fromOverlay, drop: PacketDrop(.policyDeniedIngress, location: "lxc.bpf.c:7"),
                    flow: drop, rule: "NetworkPolicy default/p")
            ]
        }
        if let discard { evidence.cloud.discards = [DiscardReading(reason: "destination-unknown", flow: discard)] }
        return evidence
    }

    private func flow(_ source: String, _ port: UInt16, _ destination: String, _ destinationPort: UInt16) -> FlowTuple {
        FlowTuple(
            protocol: 6, source: source, sourcePort: port, destination: destination, destinationPort: destinationPort)
    }

    @Test(arguments: [("10.0.0.11", "192.168.2.5"), ("192.168.1.1", "192.168.2.5"), ("192.168.1.1", "10.100.0.16")])
    func `a drop of the translated call is the call's`(_ source: String, _ destination: String) {
        let port: UInt16 = destination == "10.100.0.16" ? 80 : 8080
        for seen in [flow(source, 40_000, destination, port), flow(destination, port, source, 40_000)] {
            let account = Diagnosis.account(for: evidence(seen))
            #expect(account.findings.first?.id == "policy/not-allowed" && account.unexplained.isEmpty, "\(seen)")
        }
    }

    @Test func `a drop of somebody else's packets is not`() {
        for seen in [
            flow("192.168.1.1", 40_001, "192.168.2.5", 8080), flow("192.168.1.1", 40_000, "192.168.2.6", 8080),
            flow("192.168.1.2", 40_000, "192.168.2.5", 8080), flow("192.168.1.1", 40_000, "10.100.0.16", 81),
        ] {
            #expect(Diagnosis.account(for: evidence(seen)).findings.map(\.id) == ["unknown"], "\(seen)")
        }
    }

    /// kube-proxy forwards under the node's address and any port. One such drop explains one call.
    @Test func `a drop of what kube-proxy forwarded is one call's`() {
        let forwarded = flow("192.168.1.1", 61_000, "192.168.2.5", 8080)
        var evidence = evidence(forwarded)
        #expect(Diagnosis.account(for: evidence).findings.map(\.id) == ["unknown"])
        evidence.nodes[0].kubeProxyRules = [Self.rule]
        let account = Diagnosis.account(for: evidence)
        #expect(account.findings.map(\.id) == ["policy/not-allowed"] && account.unexplained.isEmpty)
        let why = PathIndex(evidence).why(evidence.probes[0]).map(\.detail)
        #expect(
            why.contains { $0.hasPrefix("request, forwarded as ") && $0.contains("policy-denied-ingress") }, "\(why)")
        var twice = evidence
        twice.probes.append(evidence.probes[0])
        twice.probes[1].key = CellKey(from: "node/node1", to: "service/default/web:80", protocol: .tcp, port: 81)
        #expect(Diagnosis.account(for: twice).unexplained.count == 1)
        // It must not be one that another node forwarded, or one to another backend or of another protocol.
        for other in [
            flow("192.168.2.1", 61_000, "192.168.2.5", 8080), flow("192.168.1.1", 61_000, "192.168.2.6", 8080),
        ] {
            var evidence = evidence
            evidence.datapath[0].flow = other
            #expect(Diagnosis.account(for: evidence).findings.map(\.id) == ["unknown"], "\(other)")
        }
    }

    /// Two connections of a node to a pod cannot use the same port. netfilter gives another port to the later one.
    @Test func `a drop of what a node sent by another port is one probe's`() {
        var evidence = evidence(flow("192.168.1.1", 1_025, "192.168.2.5", 8080))
        let pod = Endpoint(
            id: "default/web", kind: .pod, node: "node2", namespace: "default", address: "192.168.2.5", port: 8080,
            labels: [:])
        evidence.endpoints.append(pod)
        evidence.probes = [8080, 8081].map { port in
            ProbeReading(
                key: CellKey(from: "node/node1", to: pod.id, protocol: .tcp, port: port), observed: .timeout,
                flow: flow("10.0.0.11", 40_000, "192.168.2.5", port), requestArrived: false, sent: 1, answered: 0)
        }
        #expect(Diagnosis.account(for: evidence).unexplained.count == 2)
        evidence.nodes[0].kubeProxyRules = [Self.rule]
        #expect(Diagnosis.account(for: evidence).unexplained == [evidence.probes[1].key])
        // Packets that a pod sends to pods do not pass the node's netfilter.
        evidence.endpoints[0] = Endpoint(
            id: "node/node1", kind: .pod, node: "node1", namespace: "default", address: "10.0.0.11", port: 30_080,
            labels: [:])
        #expect(Diagnosis.account(for: evidence).unexplained.count == 2)
    }

    /// A forwarded call may get the port of another probe. That hides neither of them.
    @Test func `a forwarded drop may have the port of another probe`() {
        var evidence = evidence(flow("192.168.1.1", 50_000, "192.168.2.5", 8080))
        evidence.nodes[0].kubeProxyRules = [Self.rule]
        evidence.probes.append(
            ProbeReading(
                key: CellKey(from: "node/node1", to: "node/node1", protocol: .tcp, port: 30_080), observed: .timeout,
                flow: flow("10.0.0.11", 50_000, "10.0.0.11", 30_080), requestArrived: false, sent: 1, answered: 0))
        #expect(Diagnosis.account(for: evidence).unexplained == [evidence.probes[1].key])
    }

    @Test func `a call that nobody translated ends at the VPC's router`() {
        let account = Diagnosis.account(for: evidence(nil, discard: flow("10.0.0.11", 40_000, "10.100.0.16", 80)))
        #expect(account.findings.map(\.id) == ["underlay/destination-unknown"])
        #expect(account.unexplained.isEmpty)
        #expect(account.findings.first?.evidence.joined().contains("service/default/web:80") == true)
        // A discard of another port, another sender or with another reason says nothing.
        for discard in [flow("10.0.0.11", 40_000, "10.100.0.16", 81), flow("10.0.0.12", 40_000, "10.100.0.16", 80)] {
            #expect(Diagnosis.account(for: evidence(nil, discard: discard)).findings.map(\.id) == ["unknown"])
        }
        var other = evidence(nil, discard: flow("10.0.0.11", 40_000, "10.100.0.16", 80))
        other.cloud.discards[0].reason = "source-unknown"
        #expect(Diagnosis.account(for: other).findings.map(\.id) == ["unknown"])
    }

    /// A pod's range that no route leads to: its own packets end at the router, too.
    @Test func `a packet from an address that the VPC does not have ends at its router`() {
        let call = flow("192.168.3.3", 40_000, "192.168.2.5", 8080)
        func causes(_ discard: FlowTuple, _ reason: String = "source-unknown", to kind: EndpointKind = .pod) -> [String]
        {
            var evidence = evidence(nil)
            evidence.endpoints = [
                Endpoint(
                    id: "default/a", kind: .pod, node: "node1", namespace: "default", address: "192.168.3.3",
                    port: 8080, labels: [:]),
                Endpoint(
                    id: "default/b", kind: kind, node: "node2", namespace: "default", address: "192.168.2.5",
                    port: 8080, labels: [:]),
            ]
            evidence.probes = [
                ProbeReading(
                    key: CellKey(from: "default/a", to: "default/b", protocol: .tcp, port: 8080), observed: .timeout,
                    flow: call, requestArrived: false, sent: 1, answered: 0)
            ]
            evidence.cloud.discards = [DiscardReading(reason: reason, flow: discard)]
            return Diagnosis.account(for: evidence).findings.map(\.id)
        }
        #expect(causes(call) == ["underlay/source-unknown"])
        #expect(causes(call.reversed) == ["underlay/source-unknown"])
        #expect(causes(flow("192.168.3.3", 40_001, "192.168.2.5", 8080)) == ["unknown"])
        #expect(causes(call, "no-public-address") == ["unknown"])
        #expect(causes(call, to: .vpcHost) == ["unknown"])
    }
}
