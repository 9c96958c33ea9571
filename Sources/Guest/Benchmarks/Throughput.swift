import AgentAPI
import Datapath
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress
import PacketChecks

/// iperf3 between two pods of an agent, and through the kernel's own ways, in turns.
enum Throughput {
    private static let turns = 24
    private static let milliseconds: Int32 = 250
    /// Of the pod with a rate.
    private static let rate = 20e6

    /// What can be measured alone.
    enum Part: String, CaseIterable {
        case sameNode = "same-node"
        case masquerade
        case paced
        case crossNode = "cross-node"
        case serviceCalls = "service-calls"
    }

    static func rows(_ parts: [Part] = Part.allCases) throws -> [BenchRow] {
        let iperf = try Iperf()
        return try parts.flatMap { part in
            switch part {
            case .sameNode: try sameNode(iperf)
            case .masquerade: try masquerade(iperf)
            case .paced: try paced(iperf)
            case .crossNode: try CrossNode.rows(iperf)
            case .serviceCalls: try ServiceThroughput.rows(iperf)
            }
        }
    }

    private static func sameNode(_ iperf: Iperf) throws -> [BenchRow] {
        let agent = try TestAgent(in: try TestAgent.nodeAndWorld().node)
        defer { agent.kill() }
        _ = try agent.start()
        let server = try agent.connectPod("server")
        let client = try agent.connectPod("client")
        let pods = ThroughputPath(client: client.path, server: server.path, address: server.address)
        return try tracedAndNot(agent, "same node", pods, "bridge", try ThroughputFloors.bridge(), atLeast: 1, iperf)
    }

    private static func masquerade(_ iperf: Iperf) throws -> [BenchRow] {
        let (node, beyond) = try TestAgent.nodeAndWorld()
        let agent = try TestAgent(in: node, masquerade: .programs)
        defer { agent.kill() }
        _ = try agent.start()
        let client = try agent.connectPod("client")
        let world = ThroughputPath(client: client.path, server: beyond.server, address: beyond.address)
        return try tracedAndNot(
            agent, "masqueraded", world, "nf_tables masquerade", try ThroughputFloors.masquerade(), atLeast: 1.2, iperf)
    }

    private static func tracedAndNot(
        _ agent: TestAgent, _ name: String, _ path: ThroughputPath, _ floorName: String, _ floor: ThroughputPath,
        atLeast bound: Double, _ iperf: Iperf
    ) throws -> [BenchRow] {
        try [false, true].flatMap { traced in
            let points = traced ? TracePoint.allCases.map(\.description) : []
            let _: Acknowledgement = try agent.call(.setTracing, TracingRequest(points: points))
            let how = traced ? "every trace point reports, as an agent starts" : "without traces"
            return try compare(name, path, floorName, floor, atLeast: traced ? nil : bound, how, iperf)
        }
    }

    /// A path against its floor; and, where the path has a bound, the least that any path between namespaces costs against
    /// the same floor: what no datapath exceeds.
    static func compare(
        _ name: String, _ path: ThroughputPath, _ floorName: String, _ floor: ThroughputPath, atLeast bound: Double?,
        _ how: String, _ iperf: Iperf
    ) throws -> [BenchRow] {
        try [("TCP", Iperf.Traffic.stream), ("UDP of 64 octets", .datagrams)].flatMap { word, traffic in
            let measured = try IperfTurn(iperf, traffic, on: path, named: "path")
            let reference = try IperfTurn(iperf, traffic, on: floor, named: "floor")
            let veth =
                bound == nil ? nil : try IperfTurn(iperf, traffic, on: try ThroughputFloors.veth(), named: "veth")
            var ours: [Double] = []
            var floors: [Double] = []
            var most: [Double] = []
            for _ in 0..<turns {
                floors.append(try reference.run(milliseconds: milliseconds))
                ours.append(try measured.run(milliseconds: milliseconds))
                if let veth { most.append(try veth.run(milliseconds: milliseconds)) }
            }
            func row(_ name: String, _ rates: [Double], atLeast bound: Double?, _ how: String) -> BenchRow {
                BenchRow(
                    name: "\(name) ÷ \(floorName), \(word)", value: median(zip(rates, floors).map { $0 / $1 }),
                    unit: "×", atLeast: bound,
                    how: "\(BenchRow.number(median(rates) / 1e6)) to \(BenchRow.number(median(floors) / 1e6)) Mbit/s, "
                        + "\(turns) turns of \(milliseconds) ms each, \(how)")
            }
            let own = row(bound == nil ? "\(name), traced," : name, ours, atLeast: bound, how)
            return veth == nil
                ? [own] : [own, row("nothing but a veth", most, atLeast: nil, "what no datapath exceeds")]
        }
    }

    /// A pod with the annotation, to the world: what arrives is what the rate says.
    private static func paced(_ iperf: Iperf) throws -> [BenchRow] {
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
