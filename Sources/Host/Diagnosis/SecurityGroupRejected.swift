import Readings

/// The cloud's flow log says REJECT of a failing probe's own packets: no rule of the interface's security groups lets them in.
enum SecurityGroupRejected: RootCause {
    private static let id = "cloud/security-group-rejected"
    static let ids = [id]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let internet = Set(evidence.endpoints.filter { $0.kind == .internet }.map(\.address))
        let rejected = evidence.flowLog.filter { !$0.accepted }
        guard !rejected.isEmpty else { return [] }
        var cells: [String: Set<Int>] = [:]
        var records: [String: FlowLogReading] = [:]
        for index in paths.failing {
            guard let flow = evidence.probes[index].flow else { continue }
            let found = rejected.first { record in
                // A host with several addresses chooses one of them.
                let isSource =
                    record.flow.source == flow.source
                    || internet.contains(flow.source) && internet.contains(record.flow.source)
                return isSource && record.flow.protocol == flow.protocol && record.flow.destination == flow.destination
                    && record.flow.sourcePort == flow.sourcePort && record.flow.destinationPort == flow.destinationPort
            }
            guard let found else { continue }
            cells[found.node, default: []].insert(index)
            if records[found.node] == nil { records[found.node] = found }
        }
        guard !cells.isEmpty else { return [] }
        let groups = evidence.securityGroups.filter { cells[$0.node] != nil }
        let rules = Set(groups.map { "\($0.node): group \($0.group), rules \(list($0.rules.map(\.name)))" }).sorted()
        return [
            Explanation(
                finding: Finding(
                    id: id,
                    summary: "the security groups of \(list(cells.keys)) let no such packets in",
                    evidence: records.sorted { $0.key < $1.key }.map { node, record in
                        "flow log of \(node): REJECT \(record.flow)"
                    } + rules,
                    fix: "add an ingress rule for this traffic, if it is wanted", confidence: 0.9),
                cells: cells.values.reduce(into: []) { $0.formUnion($1) })
        ]
    }
}
