import ArgumentParser
import Foundation
import PlainText
import Runner

/// `labrun lab list`: lists the labs that run.
struct LabList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the labs of this user that run.", aliases: ["ls"])

    @Flag(help: "Print JSON.")
    var json = false

    private struct Row: Encodable {
        let id: String
        let lab: LabRecord
    }

    func run() throws {
        let labs = FoundLab.all()
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            let rows = labs.map { Row(id: $0.id, lab: $0.record) }
            return try StandardOutput.write(String(decoding: try encoder.encode(rows), as: UTF8.self))
        }
        guard !labs.isEmpty else { return try StandardOutput.write("no lab runs") }
        try StandardOutput.write(Self.table(labs.map { ($0.id, $0.record) }))
    }

    static func table(_ labs: [(id: String, record: LabRecord)]) -> String {
        let rows =
            [["ID", "SCENARIO", "LAB", "NODES", "CONTROL PLANE", "REPORT"]]
            + labs.map { id, lab in
                [
                    id, lab.scenario, lab.profile, "\(lab.nodes.count)",
                    lab.controlPlane.map { "\($0.version) at \($0.address)" } ?? "-", lab.report,
                ].map { PlainText.line($0) }
            }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                index == row.count - 1
                    ? cell.0 : cell.0 + String(repeating: " ", count: cell.1 - cell.0.count + 2)
            }.joined()
        }.joined(separator: "\n")
    }
}
