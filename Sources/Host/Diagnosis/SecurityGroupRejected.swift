import Readings

/// The cloud's flow log says REJECT of a failing probe's own packets: no rule of an interface's security groups lets
/// them pass.
///
/// The record says at which node's interface the packets were rejected. If the sender is on that node, an egress rule
/// is missing, otherwise an ingress rule.
enum SecurityGroupRejected: RootCause {
    private static let id = "cloud/security-group-rejected"
    static let ids = [id]

    private enum Direction: String, CaseIterable {
        case ingress, egress
    }

    private struct Rejected {
        var cells: Set<Int> = []
        /// The first record of each node.
        var records: [String: FlowLogReading] = [:]
    }

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        let internet = Set(evidence.endpoints.filter { $0.kind == .internet }.map(\.address))
        guard !paths.rejects.isEmpty else { return [] }
        var rejected: [Direction: Rejected] = [:]
        for index in paths.failing {
            let probe = evidence.probes[index]
            guard let flow = probe.flow else { continue }
            let found = paths.rejects.first { record in
                // A host with several addresses chooses one of them.
                let isSource =
                    record.flow.source == flow.source
                    || internet.contains(flow.source) && internet.contains(record.flow.source)
                return isSource && record.flow.protocol == flow.protocol && record.flow.destination == flow.destination
                    && record.flow.sourcePort == flow.sourcePort && record.flow.destinationPort == flow.destinationPort
            }
            guard let found else { continue }
            let direction: Direction = paths.node(ofEndpoint: probe.key.from) == found.node ? .egress : .ingress
            rejected[direction, default: Rejected()].cells.insert(index)
            if rejected[direction]?.records[found.node] == nil { rejected[direction]?.records[found.node] = found }
        }
        return Direction.allCases.compactMap { direction in
            rejected[direction].map { explanation(of: $0, direction, evidence) }
        }
    }

    private static func explanation(of rejected: Rejected, _ direction: Direction, _ evidence: Evidence) -> Explanation
    {
        let groups = evidence.securityGroups.filter { rejected.records[$0.node] != nil }
        let rules = Set(groups.map { "\($0.node): group \($0.group), rules \(list($0.rules.map(\.name)))" }).sorted()
        return Explanation(
            finding: Finding(
                id: id,
                summary: "the security groups of \(list(rejected.records.keys)) let no such packets "
                    + (direction == .ingress ? "in" : "out"),
                evidence: rejected.records.sorted { $0.key < $1.key }.map { node, record in
                    "flow log of \(node): REJECT \(direction.rawValue) \(record.flow)"
                } + rules,
                fix: "add an \(direction.rawValue) rule for this traffic, if it is wanted", confidence: 0.9),
            cells: rejected.cells)
    }
}
