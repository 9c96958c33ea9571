import AgentAPI
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress

/// iperf3 between two pods of an agent, and through the kernel's own ways, in turns.
enum Throughput {
    private static let rounds = 3
    private static let seconds = 2
    /// Of the pod with a rate.
    private static let rate = 20e6

    static func rows() throws -> [BenchRow] {
        let (node, beyond) = try BenchAgent.nodeAndWorld()
        let agent = try BenchAgent(in: node, masquerades: true, pacesPods: true)
        defer { agent.kill() }
        _ = try agent.start()
        let iperf = try Iperf()
        let server = try agent.connectPod("server")
        let client = try agent.connectPod("client")
        let pods = ThroughputPath(client: client.path, server: server.path, address: server.address)
        let world = ThroughputPath(client: client.path, server: beyond.server, address: beyond.address)
        let bridge = try ThroughputFloors.bridge()
        let masquerade = try ThroughputFloors.masquerade()
        var rows: [BenchRow] = []
        for traced in [false, true] {
            let points = traced ? TracePoint.allCases.map(\.description) : []
            let _: Acknowledgement = try agent.call(.setTracing, TracingRequest(points: points))
            let how = traced ? "every trace point reports, as an agent starts" : "without traces"
            rows += try compare("same node ÷ bridge", pods, bridge, atLeast: traced ? nil : 1, how, iperf)
            rows += try compare(
                "masqueraded ÷ nf_tables masquerade", world, masquerade, atLeast: traced ? nil : 1.2, how, iperf)
        }
        rows.append(try paced(agent, world, iperf))
        agent.kill()
        return rows + (try CrossNode.rows(iperf)) + (try ServiceThroughput.rows(iperf))
    }

    static func compare(
        _ name: String, _ path: ThroughputPath, _ floor: ThroughputPath, atLeast bound: Double?, _ how: String,
        _ iperf: Iperf
    ) throws -> [BenchRow] {
        try [("TCP", Iperf.Traffic.stream), ("UDP of 64 octets", .datagrams)].map { word, traffic in
            var ours: [Double] = []
            var floors: [Double] = []
            for _ in 0..<rounds {
                floors.append(try iperf.bitsPerSecond(traffic, on: floor, seconds: seconds))
                ours.append(try iperf.bitsPerSecond(traffic, on: path, seconds: seconds))
            }
            let ratio = median(zip(ours, floors).map { $0 / $1 })
            return BenchRow(
                name: "\(name), \(word)\(bound == nil ? ", traced" : "")", value: ratio, unit: "×", atLeast: bound,
                how: "\(BenchRow.number(median(ours) / 1e6)) to \(BenchRow.number(median(floors) / 1e6)) Mbit/s, "
                    + "\(rounds) rounds of \(seconds) s, \(how)")
        }
    }

    /// A pod with the annotation, to the world: what arrives is what the rate says.
    private static func paced(_ agent: BenchAgent, _ path: ThroughputPath, _ iperf: Iperf) throws -> BenchRow {
        let pod = Pod(
            metadata: ObjectMeta(
                name: "client", namespace: "default", annotations: [EgressRate.annotation: "\(Int(rate / 1e6))M"]),
            spec: Pod.Spec(nodeName: "bench"))
        let _: Acknowledgement = try agent.call(.changeObjects, ObjectChanges([pod], removed: []))
        let arrived = try iperf.bitsPerSecond(.stream, on: path, seconds: 5)
        return BenchRow(
            name: "rate of a pod with egress-bandwidth 20M ÷ 20 Mbit/s", value: arrived / rate, unit: "×", atMost: 1.05,
            how: "TCP, \(BenchRow.number(arrived / 1e6)) Mbit/s of payload")
    }
}
