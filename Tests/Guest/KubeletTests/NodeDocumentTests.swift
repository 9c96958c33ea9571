import Foundation
import Testing

@testable import Kubelet

/// `docs/reference/node.md` has the table of ``NodeCapabilities``, as it is.
@Suite struct NodeDocumentTests {
    static let begin = "<!-- made from NodeCapabilities.rows; see NodeDocumentTests.swift -->\n"
    static let end = "<!-- end -->"

    static var table: String {
        var lines = ["| field below `spec` | what the node does |", "|---|---|"]
        for row in NodeCapabilities.rows.sorted(by: { $0.path < $1.path }) {
            let note: String
            switch row.support {
            case .acted: note = row.note.isEmpty ? "acts on it" : "acts on it: " + row.note
            case .accepted(let reason): note = "accepts it: " + reason
            case .refused(let reason, let except):
                let exceptions = except.map { "`\($0)`" }.joined(separator: ", ")
                note = "**refuses it**" + (except.isEmpty ? "" : " unless \(exceptions)") + ": " + reason
            }
            lines.append("| `\(row.path)` | \(note) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Set `LABRUN_WRITE_NODE_TABLE=1` to bring the document up to date.
    @Test func theTableIsTheNodes() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")
        let file = root.appending(path: "docs/reference/node.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let begin = try #require(text.range(of: Self.begin), "no line \(Self.begin)")
        let end = try #require(text.range(of: Self.end, range: begin.upperBound..<text.endIndex), "no line \(Self.end)")
        if ProcessInfo.processInfo.environment["LABRUN_WRITE_NODE_TABLE"] == "1" {
            let whole = text[..<begin.upperBound] + "\n" + Self.table + "\n" + text[end.lowerBound...]
            try String(whole).write(to: file, atomically: true, encoding: .utf8)
            return
        }
        let given = text[begin.upperBound..<end.lowerBound].split(separator: "\n").map(String.init)
        let differing = given.difference(from: Self.table.split(separator: "\n").map(String.init))
        #expect(
            differing.isEmpty,
            "\(differing.count) lines differ; write it with LABRUN_WRITE_NODE_TABLE=1 swift test --filter NodeDocument")
    }

    @Test func everyRowSaysWhatItIs() {
        let rows = NodeCapabilities.rows
        #expect(Set(rows.map(\.path)).count == rows.count, "a path has two rows")
        for row in rows {
            switch row.support {
            case .acted: break
            case .accepted(let reason), .refused(let reason, _): #expect(!reason.isEmpty && row.note == reason)
            }
        }
    }
}
