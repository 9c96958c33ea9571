import Diagnosis
import Readings

/// Evidence of a lab with three nodes and one pod on each, built packet by packet. The closures decide what passes, and
/// everything else follows from it.
struct ThreeNodeLab {
    var nodes = ["node1", "node2", "node3"]
    /// Whether a tunnel packet from one node reaches another.
    var tunnelPasses: (_ from: String, _ to: String) -> Bool = { _, _ in true }
    var underlayPasses: (_ from: String, _ to: String) -> Bool = { _, _ in true }
    /// Whether the flow log records what did not pass.
    var rejects = true
    /// Whether the missing rule is one for egress. Otherwise it is one for ingress.
    var guardedEgress = false
    var tunnelPort: UInt16 = 8472
    var rulesAllowTunnel = false
    var power: [String: NodeReading.Power] = [:]
    var carrier: [String: Bool] = [:]
    var impairments: [String: [String]] = [:]

    func address(_ node: String) -> String { "10.0.0.1\(node.last.map(String.init) ?? "0")" }
    func podAddress(_ node: String) -> String { "192.168.\(node.last.map(String.init) ?? "0").10" }

    func evidence() -> Evidence {
        var evidence = Evidence()
        evidence.nodes = nodes.map {
            NodeReading(
                name: $0, address: address($0), podCIDR: "192.168.\($0.last.map(String.init) ?? "0").0/24",
                tunnelPort: tunnelPort, power: power[$0] ?? .running, answers: (power[$0] ?? .running) == .running,
                carrier: carrier[$0] ?? true, agentRunning: true, impairments: impairments[$0] ?? [])
        }
        evidence.endpoints = nodes.map {
            Endpoint(
                id: "default/\($0)", kind: .pod, node: $0, namespace: "default", address: podAddress($0), port: 8080,
                labels: [:])
        }
        evidence.endpoints += nodes.map {
            Endpoint(
                id: "node/\($0)", kind: .node, node: $0, namespace: nil, address: address($0), port: 30080, labels: [:])
        }
        for (index, from) in nodes.enumerated() {
            for to in nodes where to != from {
                addPodProbe(from: from, to: to, port: UInt16(40000 + index), &evidence)
                addNodeProbe(from: from, to: to, &evidence)
            }
        }
        evidence.securityGroups = nodes.map {
            SecurityGroupReading(
                node: $0, group: "nodes",
                rules: [.init(name: "tcp", direction: "ingress", protocol: "tcp", ports: nil, peer: "nodes")]
                    + (rulesAllowTunnel
                        ? [
                            .init(
                                name: "vxlan", direction: "ingress", protocol: "udp", ports: 8472...8472, peer: "nodes")
                        ]
                        : []))
        }
        return evidence
    }

    private func addPodProbe(from: String, to: String, port: UInt16, _ evidence: inout Evidence) {
        let flow = FlowTuple(
            protocol: 6, source: podAddress(from), sourcePort: port, destination: podAddress(to), destinationPort: 8080)
        let there = carry(flow, from: from, to: to, &evidence)
        let back = there && carry(flow.reversed, from: to, to: from, &evidence)
        evidence.probes.append(
            ProbeReading(
                key: CellKey(from: "default/\(from)", to: "default/\(to)", protocol: .tcp, port: 8080),
                observed: back ? .open : .timeout, flow: flow, requestArrived: there, sent: 1, answered: back ? 1 : 0))
    }

    private func carry(_ inner: FlowTuple, from: String, to: String, _ evidence: inout Evidence) -> Bool {
        guard (power[from] ?? .running) == .running else { return false }
        evidence.datapath.append(
            PacketEvent(node: from, hook: .toOverlay, flow: inner, tunnelPeer: address(to)))
        let outer = FlowTuple(
            protocol: 17, source: address(from), sourcePort: 51515, destination: address(to),
            destinationPort: tunnelPort)
        evidence.wire.append(TapPacket(node: from, fromNode: true, outer: outer, vni: 4711, inner: inner))
        guard tunnelPasses(from, to) else {
            if rejects {
                let node = guardedEgress ? from : to
                evidence.flowLog.append(
                    FlowLogReading(
                        node: node, interfaceID: "eni-\(node)", accepted: false, flow: outer, packets: 1))
            }
            return false
        }
        evidence.wire.append(TapPacket(node: to, fromNode: false, outer: outer, vni: 4711, inner: inner))
        return (power[to] ?? .running) == .running
    }

    private func addNodeProbe(from: String, to: String, _ evidence: inout Evidence) {
        let up = [from, to].allSatisfy { (power[$0] ?? .running) == .running && (carrier[$0] ?? true) }
        let open = up && underlayPasses(from, to)
        evidence.probes.append(
            ProbeReading(
                key: CellKey(from: "node/\(from)", to: "node/\(to)", protocol: .icmp, port: 0),
                observed: open ? .open : .timeout, flow: nil, requestArrived: open, sent: 1, answered: open ? 1 : 0))
    }
}
