import NodeProtocol

/// The cells that a probe plan asks one node to measure.
///
/// A node is not trusted: its reply may hold results of any cell. What it was not asked is not taken from it, so that a
/// node can be wrong about its own cells only.
struct AskedCells {
    private struct Ends: Hashable {
        let source: UInt32
        let target: UInt32
    }

    /// Protocols that each pair of ends is probed over.
    private var echoes: [Ends: Set<ProbeProtocolCode>] = [:]
    /// Ends of each request, by its number in the plan.
    private var requests: [UInt32: Ends] = [:]

    init(_ plan: ProbePlan) {
        let protocols = plan.protocols.compactMap { ProbeProtocolCode(name: $0) }
        for (source, targets) in zip(plan.sources, plan.pairs) {
            for target in targets where plan.targets.indices.contains(target) {
                let target = plan.targets[target]
                guard let ends = Self.ends(source, target) else { continue }
                echoes[ends, default: []].formUnion(protocols.filter { target.takes($0.name) })
            }
        }
        for request in plan.requests {
            guard let index = UInt32(exactly: request.index) else { continue }
            requests[index] = Self.ends(request.source, request.target)
        }
    }

    private static func ends(_ source: ProbeSource, _ target: ProbeTarget) -> Ends? {
        guard let from = UInt32(exactly: source.index), let to = UInt32(exactly: target.index) else { return nil }
        return Ends(source: from, target: to)
    }

    func contains(_ result: ProbeResult) -> Bool {
        let ends = Ends(source: result.sourceIndex, target: result.targetIndex)
        guard let request = result.request else { return echoes[ends]?.contains(result.protocol) ?? false }
        return requests[request] == ends
    }
}
