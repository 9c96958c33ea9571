import Foundation
import Testing

@testable import Runner

@Suite struct ArtifactFilesTests {
    @Test func onlyWhatTheRunWroteIsItsArtifact() throws {
        let folder = NSTemporaryDirectory() + "labrun-artifacts-\(UUID().uuidString.prefix(8))"
        #expect(LabHostRun.found(in: folder).isEmpty)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["console-node1.log", "console-node3.log"] {
            try "old".write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
        }
        let before = LabHostRun.found(in: folder)
        #expect(LabHostRun.written(in: folder, since: before).isEmpty)
        try "written anew".write(toFile: folder + "/console-node1.log", atomically: false, encoding: .utf8)
        try "new".write(toFile: folder + "/agent-node1.log", atomically: false, encoding: .utf8)
        #expect(LabHostRun.written(in: folder, since: before) == ["agent-node1.log", "console-node1.log"])
    }
}
