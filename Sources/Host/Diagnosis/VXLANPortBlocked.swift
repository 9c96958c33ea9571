import Readings

/// The tunnel's UDP port is not allowed: encapsulated packets leave their sender and never reach the receiver's tap,
/// while the same two nodes reach each other otherwise, and the flow log says REJECT.
enum VXLANPortBlocked: RootCause {
    static let ids = ["underlay/vxlan-port-blocked"]

    private struct Pair: Hashable {
        let from: String
        let to: String
    }

    private struct Block {
        var left = 0
        var reject: FlowLogReading?
    }

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let blocks = blockedPairs(evidence, paths)
        guard !blocks.isEmpty, let port = evidence.nodes.compactMap(\.tunnelPort).first else { return [] }
        let byDirection = Dictionary(grouping: blocks) { $0.value.reject?.node == $0.key.from ? "egress" : "ingress" }
        return byDirection.sorted { $0.key < $1.key }.compactMap { direction, blocks in
            explanation(direction: direction, blocks: blocks, port: port, evidence, paths)
        }
    }

    /// Ordered node pairs of which tunnel packets leave the first and none reaches the second.
    private static func blockedPairs(_ evidence: Evidence, _ paths: PathIndex) -> [Pair: Block] {
        var left: [Pair: Int] = [:]
        var arrived: [Pair: Int] = [:]
        for packet in evidence.wire where packet.vni != nil {
            guard let from = paths.nodeByAddress[packet.outer.source],
                let to = paths.nodeByAddress[packet.outer.destination]
            else { continue }
            if packet.fromNode, packet.node == from { left[Pair(from: from, to: to), default: 0] += 1 }
            if !packet.fromNode, packet.node == to { arrived[Pair(from: from, to: to), default: 0] += 1 }
        }
        var blocks: [Pair: Block] = [:]
        for (pair, count) in left where arrived[pair, default: 0] == 0 {
            guard let from = paths.nodes[pair.from], let to = paths.nodes[pair.to], let port = to.tunnelPort,
                to.power == .running, from.carrier != false, to.carrier != false
            else { continue }
            let probe = FlowTuple(
                protocol: 17, source: from.address, sourcePort: 0, destination: to.address, destinationPort: port)
            blocks[pair] = Block(left: count, reject: paths.reject(of: probe))
        }
        return blocks
    }

    private static func explanation(
        direction: String, blocks: [Dictionary<Pair, Block>.Element], port: UInt16, _ evidence: Evidence,
        _ paths: PathIndex
    ) -> Explanation? {
        let pairs = Set(blocks.map(\.key))
        let underlay = underlayOpen(pairs, evidence, paths)
        let rejected = blocks.filter { $0.value.reject != nil }
        // Without a REJECT and without proof that the underlay works otherwise, the port is not to blame.
        guard !rejected.isEmpty || (evidence.recordingIsComplete && !underlay.isEmpty) else { return nil }
        let guarded = Set(pairs.map { direction == "ingress" ? $0.to : $0.from })
        let groups = closedGroups(of: guarded, port: port, direction: direction, evidence)
        let all = Set(evidence.nodes.filter { $0.power == .running }.map(\.name))
        let whose = guarded == all ? "every node" : "only \(list(guarded))" + peers(of: guarded, pairs, all)
        let tunnel = tunnelName(port)
        let sent = blocks.reduce(0) { $0 + $1.value.left }
        var lines = [
            "\(tunnel) leaves the taps of \(list(Set(pairs.map(\.from)))): \(sent) packets to UDP \(port)",
            "none of them arrives at the tap of \(list(Set(pairs.map(\.to)))) from there",
        ]
        let overlay = evidence.datapath.filter { reading in
            reading.hook == .toOverlay && pairs.contains { $0.from == reading.node }
        }
        if !overlay.isEmpty {
            lines.append(
                "the agents of \(list(Set(overlay.map(\.node)))) traced \(overlay.count) packets to-overlay, so the "
                    + "datapath sent them")
        }
        for gap in Set(pairs.compactMap { evidence.traceGaps[$0.from] }).sorted() {
            lines.append("not every packet to-overlay was traced (\(gap)); that they left is known by the taps")
        }
        for reject in rejected.compactMap(\.value.reject).prefix(3) {
            lines.append(
                "flow log of \(reject.interfaceID) (\(reject.node)): REJECT \(reject.flow), \(reject.packets) packets")
        }
        if !underlay.isEmpty {
            lines.append("the underlay works between them: \(underlay.prefix(3).joined(separator: "; "))")
        }
        for (group, nodes) in groups {
            lines.append(
                "security group \(group) of \(list(nodes)) has no \(direction) rule in force that allows UDP \(port)")
        }
        let group = groups.first?.key
        let name = group.map { "security group \($0)" } ?? "something between the nodes"
        let place = guarded == all ? "" : " at \(list(guarded))"
        let fix =
            if let group {
                "allow UDP \(port) \(direction) in security group \(group)\(place), source: the group itself"
            } else {
                "let UDP \(port) pass between the nodes\(place): "
                    + (guarded.isSubset(of: evidence.securityGroups.map(\.node))
                        ? "their security groups allow it, so look at what else filters there"
                        : "look at their security groups, which were not read, and at what else filters there")
            }
        if !evidence.recordingIsComplete {
            lines.append("the captures missed packets, so that absence on a tap is weak evidence")
        }
        let confidence =
            (evidence.recordingIsComplete ? 0.5 : 0.2) + (rejected.isEmpty ? 0 : 0.25) + (underlay.isEmpty ? 0 : 0.15)
            + (groups.isEmpty ? 0 : 0.09)
        let finding = Finding(
            id: ids[0], summary: "\(name) blocks UDP \(port) (\(tunnel)) \(direction) at \(whose)", evidence: lines,
            fix: fix, confidence: confidence)
        return Explanation(finding: finding, cells: affected(by: pairs, evidence, paths))
    }

    /// The tunnel's name by its usual UDP ports (RFC 7348, RFC 8926, and Linux' own for VXLAN). Any other port may
    /// carry either.
    private static func tunnelName(_ port: UInt16) -> String {
        switch port {
        case 4789, 8472: "VXLAN"
        case 6081: "Geneve"
        default: "the tunnel"
        }
    }

    /// Names the nodes at the other ends of the blocked pairs. It is empty if these are all other nodes.
    private static func peers(of guarded: Set<String>, _ pairs: Set<Pair>, _ all: Set<String>) -> String {
        let senders = Set(pairs.map(\.from)).subtracting(guarded)
        let receivers = Set(pairs.map(\.to)).subtracting(guarded)
        let (others, word) = senders.isEmpty ? (receivers, "to") : (senders, "from")
        return others.isEmpty || others == all.subtracting(guarded) ? "" : " \(word) \(list(others))"
    }

    /// Probes between the same nodes' own addresses that were answered.
    private static func underlayOpen(_ pairs: Set<Pair>, _ evidence: Evidence, _ paths: PathIndex) -> [String] {
        evidence.probes.compactMap { probe in
            guard probe.observed == .open, let from = paths.endpoints[probe.key.from],
                let to = paths.endpoints[probe.key.to], from.kind == .node, to.kind == .node,
                let sender = from.node, let receiver = to.node, pairs.contains(Pair(from: sender, to: receiver))
            else { return nil }
            return "\(probe.key.protocol.rawValue) \(sender) → \(receiver) open"
        }
    }

    /// Groups in force at the given nodes without a rule that lets the port pass.
    private static func closedGroups(
        of nodes: Set<String>, port: UInt16, direction: String, _ evidence: Evidence
    ) -> [(key: String, value: Set<String>)] {
        var closed: [String: Set<String>] = [:]
        for node in nodes {
            let groups = evidence.securityGroups.filter { $0.node == node }
            guard !groups.contains(where: { $0.rules.contains { $0.allows("udp", port, direction) } }) else { continue }
            for group in groups { closed[group.group, default: []].insert(node) }
        }
        return closed.sorted { $0.key < $1.key }
    }

    /// Failing probes whose request or answer had to cross one of the pairs in the tunnel.
    private static func affected(by pairs: Set<Pair>, _ evidence: Evidence, _ paths: PathIndex) -> Set<Int> {
        Set(
            paths.failing.filter { index in
                let probe = evidence.probes[index]
                guard let from = paths.endpoints[probe.key.from], let to = paths.endpoints[probe.key.to],
                    from.kind == .pod || to.kind == .pod, let sender = from.node, let receiver = to.node,
                    [.timeout, .notMeasured].contains(probe.observed) || probe.observed.name == "unreachable"
                else { return false }
                return pairs.contains(Pair(from: sender, to: receiver))
                    || pairs.contains(Pair(from: receiver, to: sender))
            })
    }
}
