import Readings

/// Packets that the VPC's router discarded because nobody in the VPC has their destination: above all calls of a
/// service that nobody translated.
enum DestinationUnknown: RootCause {
    static let ids = ["underlay/destination-unknown"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let discards = Dictionary(
            grouping: evidence.cloud.discards.filter { $0.reason == "destination-unknown" }, by: \.flow.destination)
        var cells: Set<Int> = []
        var seen: Set<FlowTuple> = []
        for index in paths.failing {
            let probe = evidence.probes[index]
            guard let flow = probe.flow, let from = paths.endpoints[probe.key.from] else { continue }
            // Masquerade changes address and port of the source on the way.
            let sources = [flow.source] + (from.node.flatMap { paths.nodes[$0]?.address }.map { [$0] } ?? [])
            let found = (discards[flow.destination] ?? []).filter {
                $0.flow.protocol == flow.protocol && $0.flow.destinationPort == flow.destinationPort
                    && sources.contains($0.flow.source)
            }
            guard !found.isEmpty else { continue }
            cells.insert(index)
            seen.formUnion(found.map(\.flow))
        }
        guard !cells.isEmpty else { return [] }
        let targets = Set(seen.map(\.destination))
        let services = Set(
            cells.compactMap { paths.endpoints[evidence.probes[$0].key.to] }.filter { $0.kind == .service }.map(\.id))
        var lines = seen.map(\.description).sorted().prefix(4).map { "the VPC's router discarded \($0)" }
        if !services.isEmpty { lines.append("\(list(services)) left its node untranslated") }
        return [
            Explanation(
                finding: Finding(
                    id: ids[0],
                    summary: "nobody in the VPC has the address \(list(targets)), and no node translated it",
                    evidence: lines,
                    fix: services.isEmpty
                        ? "a route to it in the VPC's route table"
                        : "have services translated in the nodes: kubeProxyReplacement: true, or kube-proxy",
                    confidence: 0.9),
                cells: cells)
        ]
    }
}
