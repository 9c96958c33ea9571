/// Columns padded to their widest cell, three spaces between them, as `cilium` and `kubectl` print tables.
struct TextTable {
    private var rows: [[String]]

    init(_ header: String...) { rows = [header] }

    mutating func add(_ cells: String...) { rows.append(cells.map(Self.printable)) }

    var text: String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { Self.line($0, widths) + "\n" }.joined()
    }

    private static func line(_ row: [String], _ widths: [Int]) -> String {
        var line = ""
        for (column, cell) in row.enumerated() {
            line += cell
            if column + 1 < row.count { line += String(repeating: " ", count: widths[column] - cell.count + 3) }
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    /// Returns the text without control characters, because names come from outside.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : $0 }))
    }
}
