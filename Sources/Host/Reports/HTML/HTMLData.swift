import Foundation
import Matrix
import PlainText
import Readings
import RunEvents

/// The matrices in the form that the page's script reads: tables of distinct values, and run-length coded columns of
/// indexes into them. A matrix of 100 endpoints (29,700 cells) takes about 150 KB in this form instead of 6 MB.
struct HTMLData: Encodable {
    struct End: Encodable {
        let id: String
        let kind: String
        let node: String?
        let namespace: String?
        let address: String
        /// The pod's own name, if the id has another one.
        let ownName: String?
    }

    /// The columns of a step's cells, ordered by protocol, sender and receiver. A column is a list of value, count,
    /// value, count and so on.
    struct Packed: Encodable {
        var count = 0
        var from: [Int] = []
        /// The receiver as the difference from the cell before.
        var to: [Int] = []
        var `protocol`: [Int] = []
        var port: [Int] = []
        /// The index of the expectation, or -1 if the step expects nothing.
        var expected: [Int] = []
        var observed: [Int] = []
        var verdict: [Int] = []
        /// The latency in microseconds, or -1 if there was no answer.
        var latency: [Int] = []
        /// The attempts of the cells that took more than one, by position.
        var attempts: [Int: Int] = [:]
        /// The index of each cell's chain by position, or -1 for a chain that was left out.
        var why: [Int: Int] = [:]
    }

    struct Step: Encodable {
        let name: String
        var endpoints: [Int] = []
        var packed: Packed?
    }

    private(set) var endpoints: [End]
    private(set) var protocols = ProbeProtocol.allCases.map(\.rawValue)
    private(set) var ports: [Int]
    private(set) var expected: [[String]]
    private(set) var outcomes: [String]
    private(set) var verdicts: [String]
    /// The places of all why-chains, each with hop, node, detail and whether it saw the packets.
    private(set) var why: [WhyPlace]
    private(set) var chains: [[Int]]
    private(set) var steps: [Step] = []

    struct WhyPlace: Encodable, Hashable {
        let entry: WhyEntry
        func encode(to encoder: any Encoder) throws {
            var container = encoder.unkeyedContainer()
            try container.encode(PlainText.line(entry.hop, limit: 60))
            try container.encode(entry.node.map { PlainText.line($0, limit: 100) })
            try container.encode(PlainText.line(entry.detail, limit: 600))
            try container.encode(entry.seen)
        }
    }

    /// How many bytes of why-chains a page may carry. Those of cells that are not as expected are taken first.
    static let mostWhyBytes = 2_500_000

    init(_ report: RunReport) {
        var tables = Tables()
        var ends: [End] = []
        var drafts: [(step: Step, cells: [Cell])] = []
        for step in report.steps {
            var draft = Step(name: PlainText.line(step.name, limit: 100))
            if let matrix = step.matrix {
                draft.endpoints = MatrixGrid(matrix).endpoints.map { endpoint in
                    tables.ends.index(of: endpoint.id) {
                        ends.append(
                            End(
                                id: PlainText.line(endpoint.id, limit: 200), kind: endpoint.kind.rawValue,
                                node: endpoint.node.map { PlainText.line($0, limit: 100) },
                                namespace: endpoint.namespace.map { PlainText.line($0, limit: 100) },
                                address: PlainText.line(endpoint.address, limit: 60),
                                ownName: endpoint.ownName.map { PlainText.line($0, limit: 253) }))
                    }
                }
            }
            drafts.append((draft, tables.ordered(step.matrix?.cells ?? [])))
        }
        endpoints = ends
        var kept = Self.keep(drafts.map(\.cells))
        for (index, draft) in drafts.enumerated() {
            var step = draft.step
            if report.steps[index].matrix != nil { step.packed = tables.pack(draft.cells, keep: &kept[index]) }
            steps.append(step)
        }
        ports = tables.ports.values
        expected = tables.expected.values
        outcomes = tables.outcomes.values.map { PlainText.line($0, limit: 100) }
        verdicts = tables.verdicts.values.map(\.rawValue)
        why = tables.why.values.map(WhyPlace.init)
        chains = tables.chains.values
    }

    /// Decides which cells keep their chain: all if they fit, else those first that are not as expected.
    private static func keep(_ steps: [[Cell]]) -> [[Bool]] {
        var result = steps.map { [Bool](repeating: false, count: $0.count) }
        var room = mostWhyBytes
        var known: Set<WhyEntry> = []
        for deviating in [true, false] {
            for (step, cells) in steps.enumerated() {
                for (index, cell) in cells.enumerated() where cell.deviates == deviating && !cell.why.isEmpty {
                    let new = cell.why.filter { !known.contains($0) }
                    let bytes = cell.why.count * 7 + new.reduce(0) { $0 + min($1.detail.utf8.count, 2_400) + 40 }
                    if bytes > room { continue }
                    room -= bytes
                    known.formUnion(new)
                    result[step][index] = true
                }
            }
        }
        return result
    }

    /// The JSON in a form that may stand in a script element: it has no character to which HTML or an old JavaScript
    /// reader gives a meaning.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var out = ""
        for scalar in String(decoding: try encoder.encode(self), as: UTF8.self).unicodeScalars {
            switch scalar {
            case "<": out += "\\u003c"
            case ">": out += "\\u003e"
            case "&": out += "\\u0026"
            case "\u{2028}": out += "\\u2028"
            case "\u{2029}": out += "\\u2029"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

/// Collects distinct values in the order of their first appearance.
private struct Distinct<Value: Hashable> {
    private(set) var values: [Value] = []
    private var indexes: [Value: Int] = [:]

    mutating func index(of value: Value, new: () -> Void = {}) -> Int {
        if let index = indexes[value] { return index }
        indexes[value] = values.count
        values.append(value)
        new()
        return values.count - 1
    }

    func known(_ value: Value) -> Int? { indexes[value] }
}

private struct Tables {
    var ends = Distinct<String>()
    var ports = Distinct<Int>()
    var expected = Distinct<[String]>()
    var outcomes = Distinct<String>()
    var verdicts = Distinct<CellVerdict>()
    var why = Distinct<WhyEntry>()
    var chains = Distinct<[Int]>()

    /// Returns the cells of known endpoints, by protocol, sender and receiver.
    func ordered(_ cells: [Cell]) -> [Cell] {
        cells.compactMap { cell -> (order: (Int, Int, Int, Int), cell: Cell)? in
            guard let from = ends.known(cell.from), let to = ends.known(cell.to) else { return nil }
            let proto = ProbeProtocol.allCases.firstIndex(of: cell.protocol) ?? 0
            return ((proto, from, to, Int(cell.port)), cell)
        }
        .sorted { $0.order < $1.order }.map(\.cell)
    }

    mutating func pack(_ cells: [Cell], keep: inout [Bool]) -> HTMLData.Packed {
        var packed = HTMLData.Packed()
        packed.count = cells.count
        var last = 0
        for (index, cell) in cells.enumerated() {
            let to = ends.known(cell.to) ?? 0
            Self.run(&packed.from, ends.known(cell.from) ?? 0)
            Self.run(&packed.to, to - last)
            last = to
            Self.run(&packed.protocol, ProbeProtocol.allCases.firstIndex(of: cell.protocol) ?? 0)
            Self.run(&packed.port, ports.index(of: Int(cell.port)))
            Self.run(&packed.expected, cell.expected.map { expected.index(of: $0.map(\.text)) } ?? -1)
            Self.run(&packed.observed, outcomes.index(of: cell.observed.description))
            Self.run(&packed.verdict, verdicts.index(of: cell.verdict))
            Self.run(&packed.latency, cell.latencyMicros ?? -1)
            if cell.attempts > 1 { packed.attempts[index] = cell.attempts }
            if !cell.why.isEmpty {
                packed.why[index] = keep[index] ? chains.index(of: cell.why.map { why.index(of: $0) }) : -1
            }
        }
        return packed
    }

    private static func run(_ column: inout [Int], _ value: Int) {
        if column.count >= 2, column[column.count - 2] == value {
            column[column.count - 1] += 1
        } else {
            column.append(value)
            column.append(1)
        }
    }
}
