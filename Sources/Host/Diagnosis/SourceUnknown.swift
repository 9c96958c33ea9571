import Readings

/// Packets between nodes and pods of the cluster that the VPC's router discarded because nobody in the VPC has their
/// source: a range of pods that no route leads to. Towards hosts outside the cluster, ``MissingSNAT`` looks at them.
enum SourceUnknown: RootCause {
    static let ids = ["underlay/source-unknown"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let discards = Set(evidence.cloud.discards.filter { $0.reason == "source-unknown" }.map(\.flow))
        guard !discards.isEmpty else { return [] }
        var cells: Set<Int> = []
        var seen: Set<FlowTuple> = []
        for index in paths.failing {
            let probe = evidence.probes[index]
            guard let flow = probe.flow,
                [probe.key.from, probe.key.to].allSatisfy({ isOfCluster(paths.endpoints[$0]) })
            else { continue }
            // The request, or what answers it.
            let found = [flow, flow.reversed].filter(discards.contains)
            guard !found.isEmpty else { continue }
            cells.insert(index)
            seen.formUnion(found)
        }
        guard !cells.isEmpty else { return [] }
        let sources = Set(seen.map(\.source))
        return [
            Explanation(
                finding: Finding(
                    id: ids[0],
                    summary: "nobody in the VPC has the address \(list(sources)), from which packets come",
                    evidence: seen.map(\.description).sorted().prefix(4).map { "the VPC's router discarded \($0)" },
                    fix: "a route to \(list(sources)) in the VPC's route table, or a tunnel between the nodes",
                    confidence: 0.9),
                cells: cells)
        ]
    }

    private static func isOfCluster(_ endpoint: Endpoint?) -> Bool {
        endpoint.map { $0.kind == .pod || $0.kind == .node } ?? false
    }
}
