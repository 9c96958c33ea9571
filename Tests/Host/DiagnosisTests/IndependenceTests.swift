import Foundation
import Testing

/// A diagnosis must not be able to know which fault was injected.
@Suite struct IndependenceTests {
    private var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    @Test func `the diagnosis imports nothing that knows of faults`() throws {
        let folder = root.appendingPathComponent("Sources/Host/Diagnosis")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count > 5)
        for file in files {
            let text = try String(contentsOf: file, encoding: .utf8)
            let imports = text.split(separator: "\n").filter { $0.hasPrefix("import ") }.map { $0.dropFirst(7) }
            #expect(
                imports.allSatisfy { ["Matrix", "Foundation"].contains($0) }, "\(file.lastPathComponent): \(imports)")
        }
    }

    @Test func `evidence is built without faults`() throws {
        let folder = root.appendingPathComponent("Sources/Host/Runner")
        var builders = 0
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let text = try String(contentsOf: file, encoding: .utf8)
            guard text.contains("Evidence(") || text.contains("extension EvidenceCollector") else { continue }
            builders += 1
            #expect(!text.contains("import Faults"), "\(file.lastPathComponent)")
            #expect(!text.contains("active"), "\(file.lastPathComponent)")
        }
        #expect(builders >= 2)
    }
}
