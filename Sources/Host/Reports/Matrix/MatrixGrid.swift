import Matrix
import Readings
import RunEvents

/// An ordered pair of endpoints.
struct Pair: Hashable {
    let from: String
    let to: String
}

/// A matrix laid out for reading: endpoints in groups, and the cells of each ordered pair with the worst one first.
struct MatrixGrid {
    /// The endpoints, sorted by node, then pods before the others, then by id.
    let endpoints: [Endpoint]
    let cells: [Pair: [Cell]]

    init(_ matrix: RunReport.Matrix) {
        endpoints = matrix.endpoints.sorted { Self.order($0).lexicographicallyPrecedes(Self.order($1)) }
        cells = Dictionary(grouping: matrix.cells) { Pair(from: $0.from, to: $0.to) }
            .mapValues { $0.sorted { $0.badness > $1.badness } }
    }

    private static func order(_ endpoint: Endpoint) -> [String] {
        let kind = EndpointKind.allCases.firstIndex(of: endpoint.kind) ?? 0
        // Natural order of names: node2 before node10.
        return [endpoint.node.map { "0" + natural($0) } ?? "1", String(kind), natural(endpoint.id)]
    }

    private static func natural(_ name: String) -> String {
        var out = ""
        var digits = ""
        for character in name + "\0" {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else {
                if !digits.isEmpty { out += String(repeating: "0", count: max(0, 12 - digits.count)) + digits }
                digits = ""
                out.append(character)
            }
        }
        return out
    }

    /// Returns the cell of a pair that matters most. Cells that are not as expected come first, and among them the one
    /// with the worst outcome.
    func worst(_ from: Endpoint, _ to: Endpoint) -> Cell? { cells[Pair(from: from.id, to: to.id)]?.first }

    /// The endpoints grouped by node, in order. Those that are on no node are in the group `outside`.
    var nodes: [(name: String, members: [Endpoint])] {
        var groups: [(name: String, members: [Endpoint])] = []
        for endpoint in endpoints {
            let name = endpoint.node ?? "outside"
            if groups.last?.name == name {
                groups[groups.count - 1].members.append(endpoint)
            } else {
                groups.append((name, [endpoint]))
            }
        }
        return groups
    }
}

extension Cell {
    /// A number that sorts by verdict first, then by outcome. Larger is worse.
    var badness: Int {
        let rank =
            switch verdict {
            case .fail: 3
            case .notMeasured: 2
            case .unchecked: 1
            case .pass: 0
            }
        return rank * 100 + observed.severity
    }

    /// Whether a reader has to look at it.
    var deviates: Bool { verdict == .fail || (verdict == .notMeasured && !mayBeUnmeasured) }
}

extension Outcome {
    /// How far the outcome is from a plain answer. Larger is worse.
    var severity: Int {
        switch self {
        case .open: 0
        case .http(let status): status < 400 ? 1 : 2
        case .loss: 3
        case .wrongSource: 4
        case .reset: 5
        case .refused: 6
        case .dnsFailure: 7
        case .unreachable: 8
        case .timeout: 9
        case .notMeasured: 10
        }
    }

    /// The letter of the outcome, the same in terminal, picture and HTML.
    var letter: String {
        switch self {
        case .open: "✓"
        case .http: "H"
        case .loss: "L"
        case .wrongSource: "S"
        case .reset: "X"
        case .refused: "R"
        case .dnsFailure: "D"
        case .unreachable: "U"
        case .timeout: "T"
        case .notMeasured: "?"
        }
    }
}
