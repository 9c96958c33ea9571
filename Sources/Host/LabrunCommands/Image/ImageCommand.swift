import ArgumentParser
import NodeImage

/// `labrun image`: works on the images that nodes boot from.
public struct ImageCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Build, list, verify, measure and remove the images that nodes boot from.",
        subcommands: [ImageBuild.self, ImageList.self, ImageVerify.self, ImageBench.self, ImagePrune.self])

    public init() {}
}

/// Returns the series that `--kernel` names, each once, in the order given. `all` means every series.
func kernelSeries(_ names: [String]) throws -> [KernelSeries] {
    if names.contains("all") { return KernelSeries.allCases }
    var series: [KernelSeries] = []
    for name in names {
        do {
            let one = try KernelSeries(parsing: name)
            if !series.contains(one) { series.append(one) }
        } catch {
            throw ValidationError("\(error)")
        }
    }
    return series
}

/// Returns rows as left-aligned columns, two spaces apart.
func columns(_ rows: [[String]]) -> String {
    let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        return String(line.reversed().drop(while: { $0 == " " }).reversed())
    }.joined(separator: "\n")
}

/// Formats bytes in decimal units, as the sizes of downloads are given: `12345678` → `12.3 MB`.
func megabytes(_ bytes: Int) -> String {
    let tenths = (bytes + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10) MB"
}
