import Foundation
import Testing

/// Shows that a diagnosis cannot know which fault was injected, nor what was expected.
@Suite struct IndependenceTests {
    private var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    private func sources(of folder: String) throws -> [(name: String, text: String)] {
        let folder = root.appendingPathComponent(folder)
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).map {
            ($0.lastPathComponent, try String(contentsOf: $0, encoding: .utf8))
        }
    }

    /// The modules that a source imports, without attributes and access levels.
    private func imports(of text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard let keyword = words.firstIndex(of: "import"), keyword <= 2, keyword + 1 < words.count else {
                return nil
            }
            return words[keyword + 1].split(separator: ".").first.map(String.init)
        }
    }

    /// The names in a source's code that stand for an injected fault or for what a step expects. Comments do not count.
    private func forbiddenNames(in text: String) -> [String] {
        let code = text.split(separator: "\n").map { line in
            line.range(of: "//").map { line[..<$0.lowerBound] } ?? line
        }
        return code.flatMap { line in
            line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map(String.init).filter { word in
                word != "default" && ["fault", "expectation"].contains { word.lowercased().contains($0) }
            }
        }
    }

    @Test func `the diagnosis and its readings import nothing that knows of faults or expectations`() throws {
        for (folder, allowed) in [
            ("Sources/Host/Diagnosis", ["Readings", "NetAddress", "Foundation"]), ("Sources/Shared/Readings", []),
        ] {
            let files = try sources(of: folder)
            #expect(files.count > 5)
            for file in files {
                let imports = imports(of: file.text)
                #expect(imports.allSatisfy(allowed.contains), "\(file.name): \(imports)")
            }
        }
    }

    /// The collector is given a cluster and a round, and names neither a fault nor an expectation.
    @Test func `evidence is built without faults and expectations`() throws {
        let builders = try sources(of: "Sources/Host/Runner").filter { file in
            [" Evidence(", "struct EvidenceCollector", "extension EvidenceCollector"].contains {
                file.text.contains($0)
            }
        }
        #expect(builders.count >= 2)
        for file in builders {
            #expect(!imports(of: file.text).contains { ["Faults", "Matrix", "Scenario"].contains($0) }, "\(file.name)")
            #expect(forbiddenNames(in: file.text).isEmpty, "\(file.name): \(forbiddenNames(in: file.text))")
        }
    }

    @Test func `the checks find what they forbid`() {
        #expect(
            imports(of: "import Foundation\n@testable import Faults\npublic import struct Matrix.Cell").contains(
                "Faults"))
        #expect(forbiddenNames(in: "let calls: [FaultCall] = active // faults") == ["FaultCall"])
        #expect(forbiddenNames(in: "// Knows no faults.\ndefault: active = true").isEmpty)
        #expect(forbiddenNames(in: "init(expectations: [Expectation])") == ["expectations", "Expectation"])
    }
}
