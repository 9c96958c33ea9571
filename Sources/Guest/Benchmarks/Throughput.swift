import AgentAPI
import Datapath
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress
import PacketChecks

/// Compares traffic between two pods of an agent with the kernel's own ways, in turns: iperf3, and short calls.
enum Throughput {
    /// The rate of the pod that has one, in bits per second.
    private static let rate = 20e6

    /// A part that can be measured alone.
    enum Part: String, CaseIterable {
        case sameNode = "same-node"
        case masquerade
        case paced
        case crossNode = "cross-node"
        case serviceCalls = "service-calls"
    }

    /// The least rates of a path, as multiples of its floor's.
    struct Bounds {
        let stream: Double
        /// The bound for datagrams in frames of 64 octets.
        let datagrams: Double
    }

    /// - Parameter rules: The path of kube-proxy's rules, in the form for `iptables-restore`.
    /// - Throws: ``BenchLack`` if this machine lacks what the part needs.
    static func rows(_ part: Part, rules: String?) throws -> [BenchRow] {
        switch part {
        case .sameNode: try sameNode(try Iperf())
        case .masquerade: try masquerade(try Iperf())
        case .paced: try paced(try Iperf())
        case .crossNode: try CrossNode.rows(try Iperf())
        case .serviceCalls: try ServiceCalls.rows(rules: rules)
        }
    }

    private static func sameNode(_ iperf: Iperf) throws -> [BenchRow] {
        let agent = try TestAgent(in: try TestAgent.nodeAndWorld().node)
        defer { agent.kill() }
        _ = try agent.start()
        let server = try agent.connectPod("server")
        let client = try agent.connectPod("client")
        let pods = ThroughputPath(client: client.path, server: server.path, address: server.address)
        return try tracedAndNot(
            agent, "same node", pods, "bridge", try ThroughputFloors.bridge(),
            atLeast: Bounds(stream: 1.1, datagrams: 1.25), iperf)
    }

    private static func masquerade(_ iperf: Iperf) throws -> [BenchRow] {
        try require(.masquerade)
        let (node, beyond) = try TestAgent.nodeAndWorld()
        let agent = try TestAgent(in: node, masquerade: .programs)
        defer { agent.kill() }
        _ = try agent.start()
        let client = try agent.connectPod("client")
        let world = ThroughputPath(client: client.path, server: beyond.server, address: beyond.address)
        return try tracedAndNot(
            agent, "masqueraded", world, "nf_tables masquerade", try ThroughputFloors.masquerade(),
            atLeast: Bounds(stream: 1, datagrams: 1.1), iperf)
    }

    private static func tracedAndNot(
        _ agent: TestAgent, _ name: String, _ path: ThroughputPath, _ floorName: String, _ floor: ThroughputPath,
        atLeast bounds: Bounds, _ iperf: Iperf
    ) throws -> [BenchRow] {
        try [false, true].flatMap { traced in
            let points = traced ? TracePoint.allCases.map(\.description) : []
            let _: Acknowledgement = try agent.call(.setTracing, TracingRequest(points: points))
            let how = traced ? "every trace point reports, as an agent starts" : "without traces"
            return try compare(name, path, floorName, floor, atLeast: traced ? nil : bounds, how, iperf)
        }
    }

    /// Compares a path with its floor. If the path has bounds, the least that any path between namespaces costs is
    /// compared with the same floor, because no datapath exceeds that. Calls a second are compared as well.
    static func compare(
        _ name: String, _ path: ThroughputPath, _ floorName: String, _ floor: ThroughputPath, atLeast bounds: Bounds?,
        _ how: String, _ iperf: Iperf
    ) throws -> [BenchRow] {
        let traffics: [(String, Iperf.Traffic, Double?)] = [
            ("TCP", .stream, bounds?.stream), ("UDP of 64 octets", .datagrams, bounds?.datagrams),
        ]
        var rows: [BenchRow] = []
        for (word, traffic, bound) in traffics {
            let ours = try IperfTurn(iperf, traffic, on: path, named: "path")
            let theirs = try IperfTurn(iperf, traffic, on: floor, named: "floor")
            var ways = [ours.run(milliseconds:), theirs.run(milliseconds:)]
            if bounds != nil {
                let veth = try IperfTurn(iperf, traffic, on: try ThroughputFloors.veth(), named: "veth")
                ways.append(veth.run(milliseconds:))
            }
            let rates = try Turns.rates(ways)
            rows.append(
                row(bounds == nil ? "\(name), traced," : name, floorName, word, rates[0], rates[1], bound, how))
            if rates.count > 2 {
                rows.append(
                    row("nothing but a veth", floorName, word, rates[2], rates[1], nil, "what no datapath exceeds"))
            }
        }
        if bounds != nil { rows += try calls(name, path, floorName, floor, how) }
        return rows
    }

    private static func row(
        _ name: String, _ floorName: String, _ word: String, _ rates: [Double], _ floors: [Double],
        _ bound: Double?, _ how: String
    ) -> BenchRow {
        BenchRow(
            name: "\(name) ÷ \(floorName), \(word)", value: Turns.ratio(rates, floors), unit: "×", atLeast: bound,
            how: "\(BenchRow.number(median(rates) / 1e6)) to \(BenchRow.number(median(floors) / 1e6)) Mbit/s, "
                + "\(Turns.count) turns of \(Turns.milliseconds) ms each, \(how)")
    }

    private static func calls(
        _ name: String, _ path: ThroughputPath, _ floorName: String, _ floor: ThroughputPath, _ how: String
    ) throws -> [BenchRow] {
        try [("requests", Calls.Kind.requests), ("connections", .connections)].map { word, kind in
            let ways = [try Calls(kind, on: path), try Calls(kind, on: floor)]
            let rates = try Turns.rates(ways.map { $0.run(milliseconds:) })
            return BenchRow(
                name: "\(name) ÷ \(floorName), \(word) a second", value: Turns.ratio(rates[0], rates[1]), unit: "×",
                how: "\(Int(median(rates[0]))) to \(Int(median(rates[1]))), one octet there and back over TCP, \(how)")
        }
    }

    static func require(_ part: KernelPart) throws {
        if let lack = part.lack() { throw BenchLack(description: lack) }
    }

    /// A pod with the annotation sends to the world. The rate of what arrives is compared with the annotation.
    private static func paced(_ iperf: Iperf) throws -> [BenchRow] {
        try require(.fairQueue)
        let (node, beyond) = try TestAgent.nodeAndWorld()
        let agent = try TestAgent(in: node, masquerade: .programs, pacesPods: true)
        defer { agent.kill() }
        _ = try agent.start()
        let client = try agent.connectPod("client")
        let path = ThroughputPath(client: client.path, server: beyond.server, address: beyond.address)
        let pod = Pod(
            metadata: ObjectMeta(
                name: "client", namespace: "default", annotations: [EgressRate.annotation: "\(Int(rate / 1e6))M"]),
            spec: Pod.Spec(nodeName: "bench"))
        let _: Acknowledgement = try agent.call(.changeObjects, ObjectChanges([pod], removed: []))
        let arrived = try iperf.bitsPerSecond(.stream, on: path, seconds: 5)
        return [
            BenchRow(
                name: "rate of a pod with egress-bandwidth 20M ÷ 20 Mbit/s", value: arrived / rate, unit: "×",
                atMost: 1.05, how: "TCP, \(BenchRow.number(arrived / 1e6)) Mbit/s of payload")
        ]
    }
}
