import Matrix
import PlainText
import Readings
import RunEvents

/// The matrix as a table that fits the terminal. It has a cell for each pair of endpoints if that fits, else a cell for
/// each pair of nodes, else it is told in words only.
struct MatrixTable {
    let grid: MatrixGrid
    let glyphs: Glyphs
    let paint: Paint
    let width: Int

    /// Up to this number of endpoints, every pair has a cell of its own.
    static let mostEndpoints = 16

    func lines() -> [String] {
        if grid.endpoints.isEmpty { return [] }
        if grid.endpoints.count <= Self.mostEndpoints, let lines = pairs() { return lines }
        return folded() ?? ["(\(grid.endpoints.count) endpoints: too many for a table at this width, see report.html)"]
    }

    // MARK: One cell a pair

    private func pairs() -> [String]? {
        let number = 3
        let groups = grid.nodes
        let cells = groups.reduce(0) { $0 + $1.members.count * number + 1 }
        let room = width - cells - number - 1
        guard room >= 12 else { return nil }
        let names = grid.endpoints.map { PlainText.line($0.id, limit: 200) }
        let label = min(room, names.map { DisplayWidth.of($0) }.max() ?? 0)
        let nodes = groups.map { PlainText.line($0.name, limit: 40) }

        var head = String(repeating: " ", count: number + 1 + label)
        var column = 0
        for group in groups {
            head += " "
            for _ in group.members {
                column += 1
                head += DisplayWidth.padLeft(String(column), to: number)
            }
        }
        var lines = [paint.dim(head)]
        var row = 0
        for (group, node) in zip(groups, nodes) {
            for (index, from) in group.members.enumerated() {
                let name = DisplayWidth.pad(
                    DisplayWidth.cut(glyphs.plain(names[row]), to: label, mark: glyphs.ellipsis), to: label)
                row += 1
                var line = paint.dim(DisplayWidth.padLeft(String(row), to: number)) + " " + name
                for other in groups {
                    line += " "
                    for to in other.members { line += cell(from, to) }
                }
                let used = number + 1 + label + cells
                if index == 0, used + 2 + DisplayWidth.of(node) <= width {
                    line += "  " + paint.dim(glyphs.plain(node))
                }
                lines.append(line)
            }
        }
        lines += legend(folded: false)
        return lines
    }

    /// A cell of three columns: a blank, the letter, and `!` if the cell is not as expected or `~` if other protocols
    /// of the pair answer.
    private func cell(_ from: Endpoint, _ to: Endpoint) -> String {
        guard let cell = grid.worst(from, to) else {
            // Every pair that was asked for has a cell; a pair without one was never asked for.
            return from.id == to.id ? paint.dim(" " + glyphs.same + " ") : "   "
        }
        let letter = glyphs.letter(cell.observed)
        if cell.deviates { return " " + (cell.verdict == .fail ? paint.red(letter + "!") : paint.yellow(letter + "!")) }
        let shown =
            cell.verdict == .unchecked ? paint.dim(letter) : cell.observed == .open ? paint.green(letter) : letter
        return " " + shown + (isMixed(Pair(from: from.id, to: to.id)) ? "~" : " ")
    }

    private func isMixed(_ pair: Pair) -> Bool {
        guard let cells = grid.cells[pair], cells.first?.observed != .open else { return false }
        return cells.contains { $0.observed == .open }
    }

    // MARK: One cell a pair of nodes

    private func folded() -> [String]? {
        let groups = grid.nodes
        let counts = groups.map { row in groups.map { Count(grid, row.members, $0.members) } }
        let cell = max((counts.flatMap { $0 }.map { $0.text.count }.max() ?? 0) + 3, 9)
        let names = groups.map { DisplayWidth.cut(glyphs.plain(PlainText.line($0.name, limit: 60)), to: 20) }
        let label = max(names.map { DisplayWidth.of($0) }.max() ?? 0, 8)
        guard label + groups.count * (cell + 1) <= width else { return nil }
        var lines = [
            paint.dim(
                DisplayWidth.pad("from\\to", to: label)
                    + names.map { " " + DisplayWidth.padLeft(DisplayWidth.cut($0, to: cell), to: cell) }.joined())
        ]
        for (name, row) in zip(names, counts) {
            var line = DisplayWidth.pad(name, to: label)
            for count in row {
                let letter = count.worst.map { glyphs.letter($0.observed) } ?? " "
                let deviates = count.worst?.deviates ?? false
                let text = DisplayWidth.padLeft("\(count.text) \(letter)\(deviates ? "!" : " ")", to: cell)
                line += " " + (deviates ? paint.red(text) : count.open == count.total ? paint.green(text) : text)
            }
            lines.append(line)
        }
        lines += legend(folded: true)
        return lines
    }

    private struct Count {
        var open = 0
        var total = 0
        var worst: Cell?

        init(_ grid: MatrixGrid, _ sources: [Endpoint], _ destinations: [Endpoint]) {
            for from in sources {
                for to in destinations {
                    guard let cells = grid.cells[Pair(from: from.id, to: to.id)], let first = cells.first else {
                        continue
                    }
                    total += 1
                    if cells.allSatisfy({ $0.observed == .open }) { open += 1 }
                    if first.badness > (worst?.badness ?? -1) { worst = first }
                }
            }
        }
        var text: String { total == 0 ? "" : "\(open)/\(total)" }
    }

    // MARK: Legend

    private func legend(folded: Bool) -> [String] {
        let worst = grid.cells.values.compactMap(\.first)
        var seen: [String] = []
        for cell in worst.sorted(by: { $0.observed.severity < $1.observed.severity }) {
            let entry = "\(glyphs.letter(cell.observed)) \(cell.observed.name)"
            if !seen.contains(entry) { seen.append(entry) }
        }
        let pairs = grid.endpoints.count * (grid.endpoints.count - 1)
        if !folded, grid.cells.count < pairs { seen.append("blank not probed") }
        if !folded, grid.cells.keys.contains(where: isMixed) { seen.append("~ open in another protocol") }
        if worst.contains(where: \.deviates) { seen.append("! not as expected") }
        let what =
            folded ? "pairs open in every protocol/pairs, worst of them" : "rows: from, columns: to, worst protocol"
        return DisplayWidth.wrap("\(seen.joined(separator: ", ")) (\(what))", to: width).map(paint.dim)
    }
}
