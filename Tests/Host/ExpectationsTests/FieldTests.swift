import Diagnosis
import JSON
import Shapes
import protocol Expectations.Expectation
import Matrix
import Observations
import Readings
import RunEvents
import ScenarioReading
import Testing

@testable import Expectations

/// An entry of `expect` that holds in `FieldTests.observation`, and the same entry with one key changed so that it does
/// not.
struct ChangedField: Sendable, CustomTestStringConvertible {
    let kind: String
    let field: String
    let met: String
    let unmet: String
    var testDescription: String { "\(kind).\(field)" }

    init(_ kind: String, _ field: String, _ met: String, _ unmet: String) {
        (self.kind, self.field, self.met, self.unmet) = (kind, field, met, unmet)
    }
}

/// Shows that no key of an expectation is read without being judged.
@Suite struct FieldTests {
    static let matrix = [
        ChangedField(
            "matrix", "from", "{from: POD1, to: {}, outcome: timeout}", "{from: POD2, to: {}, outcome: timeout}"),
        ChangedField(
            "matrix", "to", "{from: {}, to: POD2, outcome: timeout}", "{from: {}, to: POD1, outcome: timeout}"),
        ChangedField(
            "matrix", "where", "{from: {nodes: node1}, to: {kind: pod}, where: cross-node, outcome: timeout}",
            "{from: {nodes: node1}, to: {kind: pod}, where: same-node, outcome: timeout}"),
        ChangedField(
            "matrix", "protocol", "{from: node/node1, to: POD1, protocol: tcp, outcome: refused}",
            "{from: node/node1, to: POD1, protocol: udp, outcome: refused}"),
        ChangedField(
            "matrix", "port", "{from: node/node1, to: node/node2, protocol: tcp, port: 30080, outcome: open}",
            "{from: node/node1, to: node/node2, protocol: tcp, port: 9090, outcome: open}"),
        ChangedField(
            "matrix", "request", "{from: POD2, to: POD1, request: get, outcome: http(200)}",
            "{from: POD2, to: POD1, request: post, outcome: http(200)}"),
        ChangedField(
            "matrix", "outcome", "{from: POD1, to: POD2, outcome: timeout}", "{from: POD1, to: POD2, outcome: open}"),
        ChangedField(
            "matrix", "source", "{from: POD2, to: POD1, request: get, source: pod, outcome: http(200)}",
            "{from: POD2, to: POD1, request: get, source: 10.0.0.99, outcome: http(200)}"),
    ]

    static let traffic = [
        ChangedField("health", "from", "{from: node1, reachable: 1/N}", "{from: node2, reachable: 1/N}"),
        ChangedField("health", "reachable", "{from: node1, reachable: 1/N}", "{from: node1, reachable: N/N}"),
        ChangedField(
            "wire", "protocol", "{protocol: udp, port: 8472, leaves: node1}",
            "{protocol: tcp, port: 8472, leaves: node1}"),
        ChangedField(
            "wire", "port", "{protocol: udp, port: 8472, leaves: node1}", "{protocol: udp, port: 8473, leaves: node1}"),
        ChangedField(
            "wire", "side", "{protocol: udp, port: 8472, leaves: node1}",
            "{protocol: udp, port: 8472, side: source, leaves: node1}"),
        ChangedField(
            "wire", "leaves", "{protocol: udp, port: 8472, leaves: node1}", "{protocol: udp, port: 8472, leaves: node2}"
        ),
        ChangedField(
            "wire", "arrives", "{protocol: udp, port: 8472, arrives: node2}",
            "{protocol: udp, port: 8472, arrives: node1}"),
        ChangedField(
            "wire", "present", "{protocol: udp, port: 8472, leaves: node1}",
            "{protocol: udp, port: 8472, leaves: node1, present: false}"),
        ChangedField(
            "flowLogs", "action", "{action: REJECT, protocol: udp, nodes: node2}",
            "{action: ACCEPT, protocol: udp, nodes: node2}"),
        ChangedField(
            "flowLogs", "protocol", "{action: REJECT, protocol: udp, nodes: node2}",
            "{action: REJECT, protocol: tcp, nodes: node2}"),
        ChangedField(
            "flowLogs", "port", "{action: REJECT, protocol: udp, port: 8472, nodes: node2}",
            "{action: REJECT, protocol: udp, port: 8473, nodes: node2}"),
        ChangedField(
            "flowLogs", "nodes", "{action: REJECT, protocol: udp, nodes: node2}",
            "{action: REJECT, protocol: udp, nodes: node1}"),
        ChangedField(
            "flowLogs", "present", "{action: REJECT, protocol: udp, nodes: node2}",
            "{action: REJECT, protocol: udp, nodes: node2, present: false}"),
    ]

    static let streams = [
        ChangedField("streams", "from", "{from: POD1, to: {}, protocol: tcp}", "{from: POD2, to: {}, protocol: tcp}"),
        ChangedField("streams", "to", "{from: {}, to: POD2, protocol: tcp}", "{from: {}, to: POD1, protocol: tcp}"),
        ChangedField(
            "streams", "where", "{from: {nodes: node1}, to: {}, where: cross-node, protocol: tcp}",
            "{from: {nodes: node1}, to: {}, where: same-node, protocol: tcp}"),
        ChangedField(
            "streams", "protocol", "{from: POD1, to: POD2, protocol: tcp}", "{from: POD1, to: POD2, protocol: udp}"),
        ChangedField(
            "streams", "survive", "{from: POD2, to: POD1, protocol: tcp, survive: false}",
            "{from: POD2, to: POD1, protocol: tcp, survive: true}"),
        ChangedField(
            "streams", "maxGap", "{from: POD1, to: POD2, protocol: tcp, maxGap: 500ms}",
            "{from: POD1, to: POD2, protocol: tcp, maxGap: 100ms}"),
    ]

    static let drops = [
        ChangedField(
            "drops", "from", "{from: POD1, to: {}, protocol: tcp, reason: policy-denied-ingress}",
            "{from: POD2, to: {}, protocol: tcp, reason: policy-denied-ingress}"),
        ChangedField(
            "drops", "to", "{from: {}, to: POD2, protocol: tcp, reason: policy-denied-ingress}",
            "{from: {}, to: POD1, protocol: tcp, reason: policy-denied-ingress}"),
        ChangedField(
            "drops", "where",
            "{from: {nodes: node1}, to: {}, where: cross-node, protocol: tcp, reason: policy-denied-ingress}",
            "{from: {nodes: node1}, to: {}, where: same-node, protocol: tcp, reason: policy-denied-ingress}"),
        ChangedField(
            "drops", "protocol", "{from: POD1, to: POD2, protocol: tcp, reason: policy-denied-ingress}",
            "{from: POD1, to: POD2, protocol: udp, reason: policy-denied-ingress}"),
        ChangedField(
            "drops", "request", "{from: POD1, to: POD2, request: get, reason: policy-denied-ingress}",
            "{from: POD1, to: POD2, request: post, reason: policy-denied-ingress}"),
        ChangedField(
            "drops", "reason", "{from: POD1, to: POD2, protocol: tcp, reason: policy-denied-ingress}",
            "{from: POD1, to: POD2, protocol: tcp, reason: invalid-source}"),
        ChangedField(
            "drops", "rule", "{from: POD1, to: POD2, protocol: tcp, reason: policy-denied-ingress, rule: default/p}",
            "{from: POD1, to: POD2, protocol: tcp, reason: policy-denied-ingress, rule: default/q}"),
    ]

    static let state = [
        ChangedField("nodes", "nodes", "{nodes: node1, state: ready}", "{nodes: node2, state: ready}"),
        ChangedField("nodes", "state", "{nodes: node1, state: ready}", "{nodes: node1, state: crashed}"),
        ChangedField(
            "nodes", "says", "{nodes: node1, state: ready, says: falls back, interfaceAddresses: 4, kubeProxy: none}",
            "{nodes: node1, state: ready, says: gives up, interfaceAddresses: 4, kubeProxy: none}"),
        ChangedField(
            "nodes", "interfaceAddresses",
            "{nodes: node1, state: ready, says: falls back, interfaceAddresses: 4, kubeProxy: none}",
            "{nodes: node1, state: ready, says: falls back, interfaceAddresses: 5, kubeProxy: none}"),
        ChangedField(
            "nodes", "kubeProxy",
            "{nodes: node1, state: ready, says: falls back, interfaceAddresses: 4, kubeProxy: none}",
            "{nodes: node1, state: ready, says: falls back, interfaceAddresses: 4, kubeProxy: rules}"),
        ChangedField(
            "nodes", "flowCache",
            "{nodes: node1, state: ready, flowCache: used}", "{nodes: node1, state: ready, flowCache: unused}"),
        ChangedField("identities", "pods", "{pods: POD1}", "{pods: {kind: pod}}"),
        ChangedField("identities", "apartFrom", "{pods: POD1, apartFrom: POD2}", "{pods: POD1, apartFrom: POD1}"),
        ChangedField(
            "identities", "replacedSince", "{pods: POD1, replacedSince: before}", "{pods: POD1, replacedSince: now}"),
        ChangedField(
            "pods", "state", "{state: running, count: 1, labels: {app: web}}",
            "{state: waiting, count: 1, labels: {app: web}}"),
        ChangedField("pods", "count", "{state: running, count: 1}", "{state: running, count: 2}"),
        ChangedField(
            "pods", "nodes", "{state: running, count: 1, nodes: node1}", "{state: running, count: 1, nodes: node2}"),
        ChangedField(
            "pods", "labels", "{state: running, count: 1, labels: {app: web}}",
            "{state: running, count: 1, labels: {app: api}}"),
        ChangedField(
            "pods", "mentions", "{state: waiting, count: 1, mentions: t3.small}",
            "{state: waiting, count: 1, mentions: t3.large}"),
        ChangedField("diagnosis", "is", "{is: underlay/vxlan-port-blocked}", "{is: none}"),
        ChangedField(
            "diagnosis", "mentions", "{is: underlay/vxlan-port-blocked, mentions: ingress}",
            "{is: underlay/vxlan-port-blocked, mentions: egress}"),
    ]

    static let served = [
        ChangedField(
            "objects", "kind", "{kind: Deployment, name: web, condition: Available}",
            "{kind: StatefulSet, name: web, condition: Available}"),
        ChangedField(
            "objects", "name", "{kind: Deployment, name: web, condition: Available}",
            "{kind: Deployment, name: api, condition: Available}"),
        ChangedField(
            "objects", "namespace", "{kind: Deployment, name: web, namespace: shop, absent: true}",
            "{kind: Deployment, name: web, namespace: default, absent: true}"),
        ChangedField(
            "objects", "apiVersion", "{kind: Deployment, name: web, apiVersion: apps/v1, condition: Available}",
            "{kind: Deployment, name: web, apiVersion: apps/v2, condition: Available}"),
        ChangedField(
            "objects", "condition", "{kind: Deployment, name: web, condition: Progressing=False}",
            "{kind: Deployment, name: web, condition: Progressing}"),
        ChangedField(
            "objects", "jsonPath", "{kind: Deployment, name: web, jsonPath: .status.readyReplicas, value: '3'}",
            "{kind: Deployment, name: web, jsonPath: .spec.replicas, value: '3'}"),
        ChangedField(
            "objects", "value", "{kind: Deployment, name: web, jsonPath: .status.readyReplicas, value: '3'}",
            "{kind: Deployment, name: web, jsonPath: .status.readyReplicas, value: '4'}"),
        ChangedField(
            "objects", "absent", "{kind: Deployment, name: api, absent: true}",
            "{kind: Deployment, name: api, absent: false}"),
        ChangedField("events", "reason", "{reason: FailedScheduling}", "{reason: Scheduled}"),
        ChangedField(
            "events", "mentions", "{reason: FailedScheduling, mentions: taint}",
            "{reason: FailedScheduling, mentions: cpu}"),
        ChangedField(
            "events", "about", "{reason: FailedScheduling, about: {kind: Pod, name: web-1, namespace: default}}",
            "{reason: FailedScheduling, about: {kind: Pod, name: web-2, namespace: default}}"),
        ChangedField(
            "events", "type", "{reason: FailedScheduling, type: Warning}", "{reason: FailedScheduling, type: Normal}"),
        ChangedField(
            "events", "count", "{reason: FailedScheduling, count: 2}", "{reason: FailedScheduling, count: 3}"),
    ]

    static let connections = [
        ChangedField(
            "apiServer", "nodes", "{nodes: node1, connected: true}", "{nodes: node2, connected: true}"),
        ChangedField(
            "apiServer", "connected", "{nodes: node1, connected: true}", "{nodes: node1, connected: false}"),
        ChangedField(
            "apiServer", "mentions", "{nodes: node2, connected: false, mentions: refused}",
            "{nodes: node2, connected: false, mentions: certificate}"),
    ]

    static let table = matrix + traffic + streams + drops + state + served + connections

    @Test(arguments: table)
    func `every field can make its expectation unmet`(_ row: ChangedField) throws {
        let met = try results(row, row.met)
        #expect(met.contains { $0.state == .met } && !met.contains { $0.state == .unmet }, "\(met)")
        let unmet = try results(row, row.unmet)
        #expect(unmet.contains { $0.state == .unmet }, "\(unmet)")
        let (before, after) = (try entries(row, row.met), try entries(row, row.unmet))
        let keys = Set(before.keys).union(after.keys)
        #expect(keys.filter { before[$0] != after[$0] } == [row.field], "the entries differ in other keys, too")
    }

    @Test func `the table has every field of every kind`() {
        let fields = ExpectationCatalogue.kinds.flatMap { kind in
            Self.object(kind).fields.map { "\(kind.key).\($0.name)" }
        }
        #expect(fields.count > 40)
        #expect(Set(fields) == Set(Self.table.map(\.testDescription)))
    }

    // MARK: Reading

    /// Returns the shape of a kind's entries.
    private static func object(_ kind: any Expectation.Type) -> ObjectShape {
        switch kind.field.shape {
        case .object(let object), .list(.object(let object), _): object
        default: ObjectShape(name: "", help: "", fields: [])
        }
    }

    private func value(_ row: ChangedField, _ entry: String) throws -> YAMLValue {
        let entry = entry.replacing("POD1", with: "default/web-node1").replacing("POD2", with: "default/web-node2")
        let text = "\(row.kind): \(row.kind == "diagnosis" ? entry : "[\(entry)]")"
        let reading = YAMLReading(Array(text.utf8), file: "x.yaml")
        #expect(reading.problems == [])
        return try #require(reading.documents.first)
    }

    /// Returns the entry's keys, with their values in words.
    private func entries(_ row: ChangedField, _ entry: String) throws -> [String: String] {
        let value = try #require(try value(row, entry)[row.kind])
        return Dictionary(
            uniqueKeysWithValues: (value.items.first ?? value).entries.map { ($0.key, Self.text($0.value)) })
    }

    private static func text(_ value: YAMLValue) -> String {
        value.text ?? value.entries.map { "\($0.key): \(text($0.value))" }.joined(separator: ", ")
            + value.items.map(text).joined(separator: ", ")
    }

    private func results(_ row: ChangedField, _ entry: String) throws -> [ExpectationResult] {
        let value = try value(row, entry)
        var shapes = ShapeChecker(file: "x.yaml")
        shapes.check(value, Expectations.shape(of: ExpectationCatalogue.kinds), "expect")
        #expect(shapes.problems == [])
        let requests = ["get", "post"].map { name in
            ProbeRequest(
                name: name, from: EndpointSelector(kind: .pod), to: .endpoints(EndpointSelector(kind: .pod)),
                port: 8080, question: .http(method: name.uppercased(), path: "/", headers: [:]))
        }
        var reader = ExpectationReader(
            checker: ShapeChecker(file: "x.yaml"), coverage: CoverageCheck(), step: "now", nodes: ["node1", "node2"],
            plan: ProbePlanSpec(requests: requests), diagnoses: [], earlierSteps: ["identities": ["before", "now"]],
            endpoints: { ObservationFixture.endpoints })
        let expectations = Expectations(value, kinds: ExpectationCatalogue.kinds, by: &reader)
        // This rule does not cover the matrix by itself.
        #expect(
            reader.checker.problems.filter { !$0.message.hasPrefix("no rule covers") && $0.severity == .error } == [])
        let judge = Judge(
            expectations, nodeCount: 2, answeredBefore: Self.everybody,
            identitiesBefore: ["before": Self.identities(endpoint: 2), "now": Self.identities(endpoint: 3)])
        let observation = Self.observation
        let cells = judge.cells(observation)
        let all = judge.rounds(observation, cells: cells) + judge.final(observation, time: .ample)
        // In a step that expects nothing of pods, waiting pods are unmet by themselves.
        return all.filter { row.kind == "pods" || $0.name != "pods: all running" }
    }

    // MARK: Observation

    private static let (pod1, pod2) = (ObservationFixture.endpoints[0], ObservationFixture.endpoints[1])
    private static let (node1, node2) = (ObservationFixture.endpoints[2], ObservationFixture.endpoints[3])

    private static let everybody = Set(
        ObservationFixture.endpoints.flatMap { end in
            ProbeProtocol.allCases.map { Receiver(endpoint: end.id, protocol: $0) }
        })

    private static func identities(endpoint: UInt16) -> [IdentityReading] {
        [
            IdentityReading(node: "node1", pod: pod1.id, identity: 700, endpointID: endpoint),
            IdentityReading(node: "node2", pod: pod2.id, identity: 701, endpointID: 4),
        ]
    }

    private static func measured(
        _ from: Endpoint, _ to: Endpoint, _ proto: ProbeProtocol, _ port: UInt16, _ outcome: Outcome,
        request: String? = nil
    ) -> ProbeMeasurement {
        ProbeMeasurement(
            key: CellKey(from: from.id, to: to.id, protocol: proto, port: port, request: request), observed: outcome,
            sources: ["\(from.address):40000"], latencyMicros: 300, localPort: 40000, requestArrived: true, sent: 1,
            answered: 1)
    }

    private static func stream(
        _ from: Endpoint, _ to: Endpoint, _ proto: ProbeProtocol = .tcp, ended: String? = nil
    ) -> StreamObservation {
        StreamObservation(
            from: from, to: to, protocol: proto, established: ended == nil, sent: 100, answered: 90,
            longestGapMillis: 400, intervalMillis: 20, silentMillis: 10, ended: ended)
    }

    /// Everything is denied for one pod, and for some of its cells the agents reported the drop.
    private static func denied(
        _ from: Endpoint, _ to: Endpoint, _ proto: ProbeProtocol, source port: UInt16, request: String? = nil
    ) -> ProbeReading {
        ProbeReading(
            key: CellKey(from: from.id, to: to.id, protocol: proto, port: 8080, request: request), observed: .timeout,
            flow: FlowTuple(
                protocol: proto.transport == .udp ? 17 : 6, source: from.address, sourcePort: port,
                destination: to.address, destinationPort: 8080), requestArrived: false, sent: 1, answered: 0)
    }

    /// What an API server has of the objects that the table asks for.
    private static var objects: [ObjectQuery: ObjectReading] {
        let web = JSONValue.object([
            "spec": .object(["replicas": .integer(4)]),
            "status": .object([
                "readyReplicas": .integer(3),
                "conditions": .array([
                    .object(["type": .string("Available"), "status": .string("True")]),
                    .object([
                        "type": .string("Progressing"), "status": .string("False"),
                        "reason": .string("ProgressDeadlineExceeded"),
                    ]),
                ]),
            ]),
        ])
        return [
            ObjectQuery(kind: "Deployment", name: "web"): .found(web),
            ObjectQuery(apiVersion: "apps/v1", kind: "Deployment", name: "web"): .found(web),
            ObjectQuery(kind: "Deployment", namespace: "default", name: "web"): .found(web),
            ObjectQuery(apiVersion: "apps/v2", kind: "Deployment", name: "web"): .absent,
            ObjectQuery(kind: "Deployment", namespace: "shop", name: "web"): .absent,
            ObjectQuery(kind: "Deployment", name: "api"): .absent,
            ObjectQuery(kind: "StatefulSet", name: "web"): .absent,
        ]
    }

    static var observation: Observation {
        var fixture = ObservationFixture()
        fixture.outcomes["\(pod1.id)>\(pod2.id)"] = .timeout
        let base = fixture.observation
        let probes =
            base.measurement.probes + [
                measured(node1, pod1, .tcp, 8080, .refused), measured(node1, pod1, .udp, 8080, .open),
                measured(node1, node2, .tcp, 9090, .refused),
                measured(pod2, pod1, .http, 8080, .http(200), request: "get"),
                measured(pod2, pod1, .http, 8080, .http(403), request: "post"),
            ]
        var observation = Observation(
            endpoints: base.endpoints,
            measurement: Measurement(
                endpoints: base.endpoints, probes: probes, seconds: 0.1, longestRoundTripMicros: 300, packets: 1,
                missing: [:]))
        observation.nodes = base.nodes
        observation.nodes[0].fallbacks = ["falls back to kube-proxy"]
        observation.nodes[0].interfaceAddresses = .init(
            instanceType: "t3.medium", interfaces: 3, inUse: 3, total: 4, limit: nil)
        observation.flowCaches["node1"] = FlowCacheCount(served: 12, forwarded: 40)
        observation.nodes[1].power = .stopped
        observation.serverConnections = [
            "node1": ServerConnection(
                server: "https://10.0.9.4:6443", isConnected: true, reason: nil, watches: 9, events: 40),
            "node2": ServerConnection(
                server: "https://10.0.9.4:6443", isConnected: false, reason: "connection refused", watches: 9,
                events: 12),
        ]
        observation.kubeProxies["node1"] = .success(
            KubeProxyReading(chains: [], rules: [], processes: ["labguest"]))
        observation.health = [
            HealthRecord(node: "node1", reachable: 1, total: 2, peers: []),
            HealthRecord(node: "node2", reachable: 2, total: 2, peers: []),
        ]
        let vxlan = FlowTuple(
            protocol: 17, source: "10.0.0.11", sourcePort: 50000, destination: "10.0.0.12", destinationPort: 8472)
        observation.wire = [
            TapPacket(node: "node1", fromNode: true, outer: vxlan, vni: 1, inner: nil),
            TapPacket(node: "node2", fromNode: false, outer: vxlan, vni: 1, inner: nil),
        ]
        observation.flowLog = [
            FlowLogReading(node: "node2", interfaceID: "eni-2", accepted: false, flow: vxlan, packets: 4)
        ]
        observation.streams = [
            stream(pod1, pod2), stream(pod1, pod2, .udp, ended: "reset"), stream(pod2, pod1, ended: "reset"),
            stream(node1, pod1, ended: "reset"),
        ]
        let recorded = [
            denied(pod1, pod2, .tcp, source: 40001), denied(pod1, pod2, .http, source: 40002, request: "get"),
        ]
        let denials =
            recorded + [
                denied(pod2, pod1, .tcp, source: 40003), denied(node1, pod1, .tcp, source: 40004),
                denied(pod1, pod2, .udp, source: 40005),
                denied(pod1, pod2, .http, source: 40006, request: "post"),
            ]
        let events = recorded.compactMap(\.flow).map { flow in
            PacketEvent(
                node: "node2", hook: .fromOverlay, drop: PacketDrop(DropReason(rawValue: "policy-denied-ingress")),
                flow: flow,
                rule: "NetworkPolicy default/p")
        }
        observation.paths = PathIndex(Evidence(endpoints: observation.endpoints, probes: denials, datapath: events))
        observation.identities = identities(endpoint: 3)
        observation.pods = [
            PodReading(id: "default/web", node: "node1", labels: ["app": "web"], reason: nil),
            PodReading(id: "default/api", node: "node2", labels: ["app": "api"], reason: "a t3.small has no more"),
        ]
        observation.objects = objects
        observation.events = ServedEvents(events: [
            ServedEvent(
                uid: "1", type: "Warning", reason: "FailedScheduling",
                message: "0/2 nodes are available: 2 node(s) had taint {a: }, that the pod didn't tolerate.", count: 2,
                kind: "Pod", namespace: "default", name: "web-6d4b75cb6d-hwpbf", podID: "web-1")
        ])
        observation.findings = [
            Finding(
                id: "underlay/vxlan-port-blocked", summary: "security group nodes blocks UDP 8472 ingress",
                evidence: [], fix: "", confidence: 1)
        ]
        return observation
    }
}
