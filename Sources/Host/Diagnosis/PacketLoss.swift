import Readings

/// Probes are answered in part, or far fewer packets reach the wire than the datapath sent.
enum PacketLoss: RootCause {
    static let ids = ["underlay/packet-loss"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        func nodes(_ index: Int) -> Set<String> {
            let key = evidence.probes[index].key
            return Set([key.from, key.to].compactMap { paths.node(ofEndpoint: $0) })
        }
        // Packets that stay on one node do not cross the underlay.
        let partial = paths.failing.filter { evidence.probes[$0].observed.name == "loss" && nodes($0).count == 2 }
        let impaired = Set(evidence.nodes.filter(\.losesPackets).map(\.name))
        // Silence between two nodes, one of which loses packets according to its own kernel.
        let silent = paths.failing.filter { index in
            evidence.probes[index].observed == .timeout && nodes(index).count == 2
                && !nodes(index).isDisjoint(with: impaired)
        }
        guard !partial.isEmpty || !silent.isEmpty else { return [] }
        let pairs = Set(partial.map { nodes($0) })
        // A connection between two nodes that lose packets may time out altogether.
        let lossy = paths.failing.filter { index in
            let probe = evidence.probes[index]
            guard pairs.contains(nodes(index)) else { return false }
            return probe.observed.name == "loss" || (probe.observed == .timeout && probe.key.protocol == .tcp)
        }
        // The node that is on one side of every lossy probe loses the packets.
        let sides = (partial.isEmpty ? silent : partial).map { nodes($0) }
        var common = sides.dropFirst().reduce(sides.first ?? []) { $0.intersection($1) }
        if !common.isDisjoint(with: impaired) { common.formIntersection(impaired) }
        let sent = partial.reduce(0) { $0 + evidence.probes[$1].sent }
        let answered = partial.reduce(0) { $0 + evidence.probes[$1].answered }
        var lines =
            partial.isEmpty
            ? ["\(silent.count) probes were not answered"]
            : ["\(answered) of \(sent) packets of \(partial.count) probes were answered"]
        if !common.isEmpty { lines.append("every lossy probe has \(list(common)) on one side") }
        for node in evidence.nodes where !node.impairments.isEmpty {
            lines.append("\(node.name) has \(node.impairments.joined(separator: "; "))")
        }
        let where_ = common.isEmpty ? "between the nodes" : "at \(list(common))"
        let named = evidence.nodes.contains { common.contains($0.name) && !$0.impairments.isEmpty }
        return [
            Explanation(
                finding: Finding(
                    id: ids[0], summary: "packets are lost \(where_)", evidence: lines,
                    fix: named
                        ? "remove the queueing discipline that loses packets \(where_)"
                        : "look at the link's error counters \(where_)",
                    confidence: named ? 0.95 : common.isEmpty ? 0.5 : 0.7),
                cells: Set(lossy).union(silent), restsOnSilence: impaired.isEmpty)
        ]
    }
}

extension NodeReading {
    /// Has a queueing discipline that loses or corrupts packets: `eth0 netem delay 0us jitter 0us loss 30% corrupt 0%
    /// …`.
    var losesPackets: Bool {
        impairments.contains { line in
            let words = line.split(separator: " ")
            return zip(words, words.dropFirst()).contains { name, value in
                ["loss", "corrupt"].contains(name) && (Double(value.filter { $0 != "%" }) ?? 0) > 0
            }
        }
    }
}
