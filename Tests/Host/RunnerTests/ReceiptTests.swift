import NodeProtocol
import Observations
import Readings
import Testing

@testable import Lab

/// The outcome of a cell, from its sender's result and what the receivers saw.
@Suite struct ReceiptTests {
    static let endpoints = [
        Endpoint(
            id: "default/a", kind: .pod, node: "node1", namespace: "default", address: "192.168.1.2", port: 8080,
            labels: [:]),
        Endpoint(
            id: "default/b", kind: .pod, node: "node2", namespace: "default", address: "192.168.2.2", port: 8080,
            labels: [:]),
    ]
    static let sender = SeenAddress(address: 0xC0A8_0102, port: 40_000)
    static let target: UInt32 = 0xC0A8_0202

    private func result(
        _ proto: ProbeProtocolCode, _ outcome: ProbeOutcome = .open, answered: UInt16 = 1, seen: SeenAddress? = nil
    ) -> ProbeResult {
        ProbeResult(
            sourceIndex: 0, targetIndex: 1, protocol: proto, outcome: outcome, roundTripMicros: 300, sent: 1,
            answered: answered, localPort: 40_000, seen: seen)
    }

    private func sighting(
        _ proto: ProbeProtocolCode, from seen: SeenAddress = sender, at receiver: UInt32 = target
    ) -> Sighting {
        Sighting(plan: 1, sourceIndex: 0, targetIndex: 1, protocol: proto, seen: seen, receiver: receiver)
    }

    private func cell(
        _ result: ProbeResult?, _ sightings: [String: [Sighting]?], _ proto: ProbeProtocol = .icmp
    ) -> ProbeMeasurement? {
        let plan = MeasurementPlan(
            pairs: [.init(from: Self.endpoints[0], to: Self.endpoints[1])], protocols: [proto], deadline: .seconds(1),
            count: 1)
        return Cluster.join(
            plan: plan, endpoints: Self.endpoints, indices: ["default/a": 0, "default/b": 1],
            results: result.map { [$0] } ?? [], sightings: sightings
        ).first
    }

    @Test func `an echo that its target saw is open`() {
        let cell = cell(result(.icmp), ["node2": [sighting(.icmp)]])
        #expect(cell?.observed == .open)
        #expect(cell?.requestArrived == true)
    }

    @Test func `an echo that nobody could be asked about is not measured`() {
        for sightings in [[:], ["node2": nil]] as [[String: [Sighting]?]] {
            let cell = cell(result(.icmp), sightings)
            #expect(cell?.observed == .notMeasured)
            #expect(cell?.requestArrived == nil)
        }
    }

    /// An API server tells nobody whom it serves, and the receivers of its host know nothing of it.
    @Test(arguments: [
        (ProbeOutcome.open, Outcome.open, true as Bool?), (.refused, .refused, true), (.timeout(error: 0), .timeout, nil),
        (.unreachable(code: 1), .unreachable(code: 1), nil),
    ])
    func `a connection to the control plane is what its sender says`(
        _ outcome: ProbeOutcome, _ observed: Outcome, _ arrived: Bool?
    ) {
        let server = Endpoint(
            id: "vpc/control-plane", kind: .controlPlane, node: nil, namespace: nil, address: "10.0.3.4", port: 6443,
            labels: [:], protocol: .tcp)
        let plan = MeasurementPlan(
            pairs: [.init(from: Self.endpoints[0], to: server)], protocols: [.tcp, .udp, .icmp], deadline: .seconds(1),
            count: 1)
        let cells = Cluster.join(
            plan: plan, endpoints: [Self.endpoints[0], server], indices: ["default/a": 0, server.id: 1],
            results: [result(.tcp, outcome, answered: outcome == .open ? 1 : 0)], sightings: [LabCloud.receiver: []])
        #expect(cells.map(\.key.protocol) == [.tcp])
        #expect(cells.first?.observed == observed && cells.first?.requestArrived == arrived)
        #expect(cells.first?.sources == [])
    }

    @Test(arguments: [ProbeProtocolCode.icmp, .udp, .tcp])
    func `an answer that the target denies is unconfirmed`(_ code: ProbeProtocolCode) {
        let cell = cell(
            result(code, seen: code == .icmp ? nil : Self.sender), ["node2": .some([])], ProbeProtocol(code))
        #expect(cell?.observed == .wrongSource("unconfirmed by default/b"))
        #expect(cell?.requestArrived == false)
    }

    @Test(arguments: [ProbeProtocolCode.icmp, .udp, .tcp])
    func `what another endpoint took is never open`(_ code: ProbeProtocolCode) {
        let answered = result(code, seen: code == .icmp ? nil : Self.sender)
        // The request was seen by another pod of the right node, or at the right address on another node, where the
        // right one was asked or was not asked.
        let taken: [[String: [Sighting]?]] = [
            ["node2": [sighting(code, at: Self.target + 1)]],
            ["node2": .some([]), "node3": [sighting(code)]],
            ["node2": nil, "node3": [sighting(code)]],
        ]
        for sightings in taken {
            let cell = cell(answered, sightings, ProbeProtocol(code))
            #expect(cell?.observed == .notMeasured)
            #expect(cell?.requestArrived != true)
        }
        let both: [String: [Sighting]?] = ["node2": [sighting(code)], "node3": [sighting(code)]]
        #expect(cell(answered, both, ProbeProtocol(code))?.observed == .open)
    }

    @Test func `a changed source is wrong, by the answer or by a sighting`() {
        let other = SeenAddress(address: 0x0A00_000B, port: 40_000)
        #expect(cell(result(.icmp), ["node2": [sighting(.icmp, from: other)]])?.observed.name == "wrong-source")
        #expect(cell(result(.udp, seen: other), ["node2": nil], .udp)?.observed == .wrongSource("10.0.0.11:40000"))
        #expect(
            cell(result(.udp, seen: Self.sender), ["node2": [sighting(.udp), sighting(.udp, from: other)]], .udp)?
                .observed == .wrongSource("10.0.0.11:40000"))
        #expect(cell(result(.udp, seen: Self.sender), ["node2": nil], .udp)?.observed == .open)
    }

    @Test func `no answer stays what the sender says`() {
        let timeout = result(.icmp, .timeout(error: 0), answered: 0)
        #expect(cell(timeout, ["node2": [sighting(.icmp)]])?.observed == .timeout)
        #expect(cell(timeout, ["node2": [sighting(.icmp)]])?.requestArrived == true)
        #expect(cell(timeout, ["node2": nil])?.observed == .timeout)
        #expect(cell(nil, ["node2": .some([])])?.observed == .notMeasured)
        #expect(cell(result(.icmp, .notMeasured(error: 0)), ["node2": [sighting(.icmp)]])?.observed == .notMeasured)
    }

    /// A service's cell. Any of its pods may take the request on any node, but nobody else.
    @Test(
        arguments: [
            (["node1": [], "node2": [ReceiptTests.target]], Outcome.open),
            (["node1": [], "node2": [ReceiptTests.target + 1]], .notMeasured),
            (["node1": [], "node2": []], .wrongSource("unconfirmed by service/default/web:80")),
            // The node that may have taken it was not asked, so only the answer counts.
            (["node1": []], .open),
        ] as [([String: [UInt32]], Outcome)])
    func `a service is what one of its pods says`(_ receivers: [String: [UInt32]], _ outcome: Outcome) {
        let service = Endpoint(
            id: "service/default/web:80", kind: .service, node: nil, namespace: "default", address: "10.100.0.16",
            port: 80, labels: [:], protocol: .udp)
        let plan = MeasurementPlan(
            pairs: [.init(from: Self.endpoints[0], to: service)], protocols: ProbeProtocol.allCases,
            deadline: .seconds(1), count: 1, backends: [service.id: ["192.168.2.2"]])
        let cells = Cluster.join(
            plan: plan, endpoints: [Self.endpoints[0], service], indices: ["default/a": 0, service.id: 1],
            results: [result(.udp, seen: Self.sender)],
            sightings: receivers.mapValues { $0.map { sighting(.udp, at: $0) } }, nodes: ["node1", "node2"])
        #expect(cells.map(\.key.protocol) == [.udp])
        #expect(cells.first?.observed == outcome)
    }

    @Test func `the source that a rule asks for decides`() {
        let node = SeenAddress(address: 0x0A00_000B, port: 31_000)
        let cell = cell(result(.udp, seen: node), ["node2": [sighting(.udp, from: node)]], .udp)
        #expect(cell?.observed == .wrongSource("10.0.0.11:31000"))
        #expect(cell?.reached == .open)
        #expect(cell?.outcome(expecting: ["10.0.0.11"]) == .open)
        #expect(cell?.outcome(expecting: ["192.168.1.2"]) == .wrongSource("10.0.0.11:31000"))
    }

    @Test func `no source makes an unanswered or unconfirmed cell open`() {
        let silent = cell(result(.udp, .timeout(error: 0), answered: 0), ["node2": [sighting(.udp)]], .udp)
        #expect(silent?.outcome(expecting: ["192.168.1.2"]) == .timeout)
        let unconfirmed = cell(result(.udp, seen: Self.sender), ["node2": .some([])], .udp)
        #expect(unconfirmed?.outcome(expecting: ["192.168.1.2"]) == .wrongSource("unconfirmed by default/b"))
    }

    @Test func `beyond the gateway a node has its public address`() {
        let target = Endpoint(
            id: "internet/a", kind: .internet, node: nil, namespace: nil, address: "1.1.1.1", port: 7, labels: [:])
        let addresses = SenderAddresses(node: ["10.0.0.11"], public: ["198.51.100.11"])
        for (seen, outcome) in [
            (SeenAddress(address: 0xC633_640B, port: 99), Outcome.open),
            (Self.sender, .wrongSource(Self.sender.description)),
        ] {
            let cell = Cluster.measurement(
                key: CellKey(from: "default/a", to: target.id, protocol: .udp, port: 7), sender: Self.endpoints[0],
                target: target, addresses: addresses, result: result(.udp, seen: seen), receipt: .confirmed([seen]),
                receiverAsked: true)
            #expect(cell.observed == outcome)
        }
    }
}

@Suite struct StreamLayoutTests {
    @Test func `streams that were not read are there and dead`() {
        let (a, b) = (ReceiptTests.endpoints[0], ReceiptTests.endpoints[1])
        let plan = MeasurementPlan(
            pairs: [.init(from: a, to: b), .init(from: b, to: a)], protocols: [.tcp, .udp], deadline: .seconds(1),
            count: 1)
        let reading = StreamReading(
            source: 0, target: 1, protocol: "tcp", established: true, sent: 9, answered: 8, longestGapMillis: 3,
            silentMillis: 4, ended: nil)
        let streams = StreamLayout(plan).measurements([reading], unread: ["node2": "node2 is crashed"])
        #expect(streams.map(\.established) == [true, false, false, false])
        #expect(streams.map(\.silentMillis) == [4, nil, nil, nil])
        #expect(
            streams.map(\.ended) == [
                nil, "not read", "not read: node2 is crashed", "not read: node2 is crashed",
            ])
    }
}
