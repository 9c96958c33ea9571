import Foundation
import Matrix
import PlainText
import RunEvents

/// Draws the matrix of a step as an SVG picture, for readers of JUnit files that show attachments.
public final class MatrixPicture: Reporter {
    private let folder: ReportFolder

    public init(folder: ReportFolder) { self.folder = folder }

    static func path(step: Int) -> String { "artifacts/matrix-step-\(step + 1).svg" }

    public func prepare(_ report: inout RunReport) throws {
        for (index, step) in report.steps.enumerated() {
            guard let matrix = step.matrix else { continue }
            let path = Self.path(step: index)
            let svg = Self.svg(matrix, title: "\(report.scenario.name), step \(step.name): \(step.verdict.rawValue)")
            try ReportFile(path: folder.path.appending(path: path)).replace(with: Data(svg.utf8))
            report.artifacts.append(.init(path: path, kind: "matrix-picture"))
        }
    }

    public func finish(_ report: RunReport) throws {}

    static func svg(_ matrix: RunReport.Matrix, title: String) -> String {
        let grid = MatrixGrid(matrix)
        let size = grid.endpoints.count > 40 ? 12 : 22
        let label = grid.endpoints.count > 40 ? 9 : 12
        let left = 60 + (grid.endpoints.map { min($0.id.count, 40) }.max() ?? 0) * label * 6 / 10
        let top = 56
        let width = max(left + grid.endpoints.count * size + 16, 480)
        let height = top + grid.endpoints.count * size + 40
        var out = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" font-family="monospace">
            <rect width="100%" height="100%" fill="#fff"/>
            <text x="12" y="22" font-size="14" font-weight="bold">\(escaped(title))</text>

            """
        for (row, from) in grid.endpoints.enumerated() {
            let y = top + row * size
            out += text(
                "\(row + 1) \(String(from.id.prefix(40)))", x: left - 6, y: y + size * 3 / 4, size: label, anchor: "end"
            )
            out += text(
                "\(row + 1)", x: left + row * size + size / 2, y: top - 6, size: label * 3 / 4, anchor: "middle")
            for (column, to) in grid.endpoints.enumerated() {
                guard let cell = grid.worst(from, to) else { continue }
                let x = left + column * size
                out += """
                    <rect x="\(x)" y="\(y)" width="\(size - 1)" height="\(size - 1)" fill="\(fill(cell))"\
                    \(cell.deviates ? " stroke=\"#b3261e\" stroke-width=\"2\"" : "")/>

                    """
                out += text(cell.observed.letter, x: x + size / 2, y: y + size * 3 / 4, size: label, anchor: "middle")
            }
        }
        out += text(
            "rows: sources, columns: destinations; framed: not as expected", x: 12, y: height - 12, size: 11,
            anchor: "start")
        return out + "</svg>\n"
    }

    private static func fill(_ cell: Cell) -> String {
        switch cell.verdict {
        case .fail: "#f8d0cc"
        case .notMeasured: "#e0d6f0"
        case .unchecked: "#eeeeee"
        case .pass: cell.observed == .open ? "#d6efdc" : "#dfe8ee"
        }
    }

    private static func text(_ string: String, x: Int, y: Int, size: Int, anchor: String) -> String {
        "<text x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\" text-anchor=\"\(anchor)\">\(escaped(string))</text>\n"
    }

    private static func escaped(_ text: String) -> String { Markup.escaped(PlainText.line(text)) }
}

/// Escapes the characters that have a meaning in SGML's descendants, scalar by scalar: `<` followed by a combining mark
/// is one Swift `Character` that is not equal to `<`, and it still opens a tag.
enum Markup {
    static func escaped(_ text: String) -> String {
        var out = ""
        out.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
