import Matrix
import Readings

/// Checks whether the rules of a step say something about every cell that will be measured. The work is bounded over
/// the whole file.
package struct CoverageCheck {
    struct Result {
        /// Classes of cells that no rule covers, in words.
        var uncovered: [String] = []
        /// Indices of rules that decide no cell, because they select none or later rules decide all of them.
        var withoutEffect: [Int] = []
        var gaveUp = false
    }
    private static let workLimit = 20_000_000
    private var work = 0
    private var stopped = false

    private struct CellClass: Hashable {
        let from: EndpointKind
        let to: EndpointKind
        let placement: Placement
    }

    package init() {}

    /// Stops checking because there are too many endpoints. The caller reports that.
    package mutating func giveUp() {
        stopped = true
    }

    mutating func check(_ rules: [MatrixExpectation], plan: ProbePlanSpec, endpoints: [Endpoint]) -> Result {
        var result = Result()
        if stopped { return result }
        let pairs = plan.measuredPairs(among: endpoints)
        work += endpoints.count * endpoints.count + pairs.count * plan.protocols.count * rules.count
        if work > Self.workLimit {
            stopped = true
            result.gaveUp = true
            return result
        }
        var used = [Bool](repeating: false, count: rules.count)
        var order: [CellClass] = []
        var gaps: [CellClass: (protocols: Set<ProbeProtocol>, cells: Int, example: String)] = [:]
        for pair in pairs {
            let (from, to) = (endpoints[pair.from], endpoints[pair.to])
            for proto in to.answered(of: plan.protocols) {
                let port = proto == .icmp ? 0 : to.port
                if let index = rules.lastIndex(where: { $0.covers(from, to, proto, port) }) {
                    used[index] = true
                    continue
                }
                let same = Placement.sameNode.matches(from, to)
                let cell = CellClass(from: from.kind, to: to.kind, placement: same ? .sameNode : .crossNode)
                if gaps[cell] == nil { order.append(cell) }
                var gap = gaps[cell] ?? ([], 0, "\(from.id) → \(to.id)")
                gap.protocols.insert(proto)
                gap.cells += 1
                gaps[cell] = gap
            }
        }
        for request in plan.requests {
            for (from, to) in request.pairs(among: endpoints) {
                let index = rules.lastIndex {
                    $0.covers(from, to, request.protocol, request.port, request: request.name)
                }
                if let index {
                    used[index] = true
                } else {
                    result.uncovered.append("request \(request.name), for example \(from.id) → \(to.id)")
                    break
                }
            }
        }
        for cell in order {
            guard let gap = gaps[cell] else { continue }
            let protocols = gap.protocols.sorted().map(\.rawValue).joined(separator: ", ")
            result.uncovered.append(
                "\(cell.from.rawValue) → \(cell.to.rawValue), \(cell.placement.rawValue), \(protocols): "
                    + "\(gap.cells) measured \(gap.cells == 1 ? "cell" : "cells"), for example \(gap.example)")
        }
        result.withoutEffect = used.indices.filter { !used[$0] }
        return result
    }
}
