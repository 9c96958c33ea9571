import NodeProtocol
import Readings
import Testing

@testable import Lab

/// A node's reply may contain anything. Results of cells for which the node was not asked are ignored.
@Suite struct LyingNodeTests {
    private static func pod(_ name: String, node: String, _ last: Int) -> Endpoint {
        Endpoint(
            id: "default/\(name)", kind: .pod, node: node, namespace: "default", address: "192.168.\(last).2",
            port: 8080,
            labels: [:])
    }

    /// The plan of node1: from endpoint 0 to endpoint 1 over TCP and UDP, to endpoint 2 only over UDP, and request 4.
    private let plan = ProbePlan(
        id: 1, deadlineMillis: 1000, protocols: ["tcp", "udp"], sources: [ProbeSource(index: 0, pod: nil)],
        targets: [
            ProbeTarget(index: 1, address: "192.168.2.2", port: 8080),
            ProbeTarget(index: 2, address: "10.0.0.2", port: 53, protocols: ["udp"]),
        ], pairs: [[0, 1]],
        requests: [
            NodeProtocol.ProbeRequest(
                index: 4, source: ProbeSource(index: 0, pod: nil),
                target: ProbeTarget(index: 2, address: "10.0.0.2", port: 53), question: .connect)
        ])

    private func result(
        _ from: UInt32, _ to: UInt32, _ proto: ProbeProtocolCode, request: UInt32? = nil
    ) -> ProbeResult {
        ProbeResult(
            sourceIndex: from, targetIndex: to, protocol: proto, outcome: .open, roundTripMicros: 1, sent: 1,
            answered: 1, localPort: 4711, seen: nil, request: request)
    }

    @Test func `only what a node was asked is taken from it`() {
        let asked = AskedCells(plan)
        let honest = [
            result(0, 1, .tcp), result(0, 1, .udp), result(0, 2, .udp), result(0, 2, .tcp, request: 4),
        ]
        let lies = [
            result(1, 0, .tcp), result(0, 2, .tcp), result(0, 1, .icmp), result(3, 1, .tcp), result(0, .max, .udp),
            result(0, 2, .tcp, request: 5), result(1, 2, .tcp, request: 4), result(.max, .max, .dns, request: 0),
        ]
        #expect((lies + honest).filter(asked.contains) == honest)
    }

    @Test func `of all results that there may be, those that were asked are taken`() {
        let asked = AskedCells(plan)
        var taken: Set<ProbeResult> = []
        for from in UInt32(0)...3 {
            for to in UInt32(0)...3 {
                for proto in ProbeProtocolCode.allCases {
                    for request in [nil, 0, 1, 2, 3, 4, 5, .max] as [UInt32?] {
                        let one = result(from, to, proto, request: request)
                        if asked.contains(one) { taken.insert(one) }
                    }
                }
            }
        }
        let echoes = [result(0, 1, .tcp), result(0, 1, .udp), result(0, 2, .udp)]
        let requests = ProbeProtocolCode.allCases.map { result(0, 2, $0, request: 4) }
        #expect(taken == Set(echoes + requests))
    }

    /// A third node claims to have received a call for the service's only pod, which is on another node.
    @Test func `a node does not vouch for another node's pod`() {
        let service = Endpoint(
            id: "service/web", kind: .service, node: nil, namespace: "default", address: "10.96.0.1", port: 80,
            labels: [:])
        let endpoints = [Self.pod("a", node: "node1", 1), Self.pod("b", node: "node2", 2), service]
        let plan = MeasurementPlan(
            pairs: [.init(from: endpoints[0], to: service)], protocols: [.tcp], deadline: .seconds(1), count: 1,
            backends: ["service/web": ["192.168.2.2"]])
        let sighting = Sighting(
            plan: 1, sourceIndex: 0, targetIndex: 2, protocol: .tcp,
            seen: SeenAddress(address: 0xC0A8_0102, port: 4711),
            receiver: 0xC0A8_0202)
        func arrived(_ node: String) -> Bool? {
            var sightings: [String: [Sighting]?] = ["node1": .some([]), "node2": .some([]), "node3": .some([])]
            sightings[node] = .some([sighting])
            return Cluster.join(
                plan: plan, endpoints: endpoints, indices: ["default/a": 0, "default/b": 1, "service/web": 2],
                results: [result(0, 2, .tcp)], sightings: sightings, nodes: ["node1", "node2", "node3"]
            ).first?.requestArrived
        }
        #expect(arrived("node2") == true)
        #expect(arrived("node3") == false)
    }

    @Test func `a node tells of its own streams only`() {
        let (a, b) = (Self.pod("a", node: "node1", 1), Self.pod("b", node: "node2", 2))
        let layout = StreamLayout(
            MeasurementPlan(
                pairs: [.init(from: a, to: b), .init(from: b, to: a)], protocols: [.tcp], deadline: .seconds(1),
                count: 1))
        func reading(_ source: Int) -> StreamReading {
            StreamReading(
                source: source, target: 1 - min(1, max(0, source)), protocol: "tcp", established: true, sent: 1,
                answered: 1,
                longestGapMillis: 0, silentMillis: 0, ended: nil)
        }
        let told = [reading(0), reading(1), reading(-1), reading(.max)]
        #expect(layout.own(told, of: "node1").map(\.source) == [0])
        #expect(layout.own(told, of: "node2").map(\.source) == [1])
    }
}
