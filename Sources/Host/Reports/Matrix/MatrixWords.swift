import Matrix
import Readings
import RunEvents

/// Describes a matrix in words. Cells with the same ends, place, expectation and outcome are told together.
enum MatrixWords {
    /// Returns what is not as expected or was not measured: `pod→pod cross-node: 24 of 24 timeout (tcp, udp, icmp),
    /// expected open`.
    static func deviations(_ matrix: RunReport.Matrix) -> [String] {
        sentences(matrix) { cell in
            guard cell.deviates else { return nil }
            let expected = cell.expected.map { $0.map(\.text).joined(separator: " or ") }
            return cell.observed.name + (expected.map { ", expected \($0)" } ?? "")
        }
    }

    /// Returns how a matrix differs from the one before: `pod→pod cross-node: 24 of 24 open → timeout (tcp, udp,
    /// icmp)`.
    static func changes(from before: RunReport.Matrix, to after: RunReport.Matrix) -> [String] {
        let old = Dictionary(before.cells.map { ($0.key, $0.observed) }, uniquingKeysWith: { _, last in last })
        var result = sentences(after) { cell in
            guard let earlier = old[cell.key], earlier.name != cell.observed.name else { return nil }
            return "\(earlier.name) → \(cell.observed.name)"
        }
        let known = Set(before.endpoints.map(\.id))
        let now = Set(after.endpoints.map(\.id))
        let come = after.endpoints.filter { !known.contains($0.id) }.map(\.id)
        let gone = before.endpoints.filter { !now.contains($0.id) }.map(\.id)
        if !come.isEmpty { result.append("new: \(listed(come))") }
        if !gone.isEmpty { result.append("gone: \(listed(gone))") }
        return result
    }

    static func listed(_ names: [String], limit: Int = 6) -> String {
        let rest = names.count - limit
        return names.prefix(limit).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }

    /// The ends of a set of pairs: `pod→pod cross-node`.
    private struct Ends: Hashable {
        let from: EndpointKind
        let to: EndpointKind
        let placement: Placement?
        var text: String { "\(from.rawValue)→\(to.rawValue)\(placement.map { " \($0.rawValue)" } ?? "")" }
    }

    private struct Said: Hashable {
        let ends: Ends
        let text: String
    }

    private static func sentences(_ matrix: RunReport.Matrix, _ say: (Cell) -> String?) -> [String] {
        let endpoints = Dictionary(matrix.endpoints.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var totals: [Ends: Set<Pair>] = [:]
        var said: [Said: [Pair: Set<ProbeProtocol>]] = [:]
        for cell in matrix.cells {
            guard let from = endpoints[cell.from], let to = endpoints[cell.to] else { continue }
            let placed = from.node != nil && to.node != nil
            let ends = Ends(
                from: from.kind, to: to.kind,
                placement: placed ? (Placement.sameNode.matches(from, to) ? .sameNode : .crossNode) : nil)
            let pair = Pair(from: cell.from, to: cell.to)
            totals[ends, default: []].insert(pair)
            if let text = say(cell) {
                said[Said(ends: ends, text: text), default: [:]][pair, default: []].insert(cell.protocol)
            }
        }
        var lines: [(count: Int, text: String)] = []
        for (key, pairs) in said {
            for (protocols, members) in Dictionary(grouping: pairs.keys, by: { pairs[$0] ?? [] }) {
                let names = protocols.sorted().map(\.rawValue).joined(separator: ", ")
                let total = totals[key.ends]?.count ?? 0
                let side = members.count < total ? commonSide(members, endpoints) : ""
                let parts = key.text.split(separator: ", expected ", maxSplits: 1)
                let tail = parts.count == 2 ? ", expected \(parts[1])" : ""
                lines.append(
                    (
                        members.count,
                        "\(key.ends.text)\(side): \(members.count) of \(total) \(parts[0]) (\(names))\(tail)"
                    ))
            }
        }
        return lines.sorted { ($1.count, $0.text) < ($0.count, $1.text) }.map(\.text)
    }

    /// Names the node that all pairs leave, or that all pairs enter, if there is one.
    private static func commonSide(_ pairs: [Pair], _ endpoints: [String: Endpoint]) -> String {
        let from = Set(pairs.map { endpoints[$0.from]?.node })
        let to = Set(pairs.map { endpoints[$0.to]?.node })
        if to.count == 1, let node = to.first ?? nil { return " into \(node)" }
        if from.count == 1, let node = from.first ?? nil { return " from \(node)" }
        return ""
    }
}
