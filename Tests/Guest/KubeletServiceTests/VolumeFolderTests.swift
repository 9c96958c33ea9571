import Foundation
import Testing

@testable import Kubelet
@testable import KubeletService

@Suite struct VolumeFolderTests {
    private let base = FileManager.default.temporaryDirectory.path + "/volumes-\(UInt64.random(in: 0...UInt64.max))"
    private var folder: VolumeFolder { VolumeFolder(base) }

    private func files(_ contents: [String: String], mode: UInt16 = 0o644) -> VolumePlan {
        VolumePlan(
            name: "config",
            source: .files(
                contents.sorted { $0.key < $1.key }.map {
                    VolumeFile(path: $0.key, content: Array($0.value.utf8), mode: mode)
                }), group: nil)
    }

    private func read(_ path: String) -> String? { try? String(contentsOfFile: "\(base)/\(path)", encoding: .utf8) }

    private func names(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(base)/\(path)").filter { !$0.hasPrefix("..") }.sorted()
    }

    @Test func `files change together, and what is gone is gone`() throws {
        defer { folder.remove() }
        try folder.make(files(["a": "1", "deep/b": "2"]))
        #expect(read("config/a") == "1")
        #expect(read("config/deep/b") == "2")
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(base)/config/a")
        #expect(link == "..data/a")
        try folder.make(files(["a": "3", "c": "4"]))
        #expect(try names("config") == ["a", "c"])
        #expect(read("config/a") == "3")
        #expect(read("config/c") == "4")
        // The directory of the earlier content is gone.
        let all = try FileManager.default.contentsOfDirectory(atPath: "\(base)/config")
        #expect(all.count == 4, "\(all)")
    }

    @Test(arguments: ["../x", "a/../../x", "", "/", "./x"])
    func `a file's path stays in its volume`(_ path: String) throws {
        defer { folder.remove() }
        #expect(throws: PodRuntimeError.self) { try folder.make(files([path: "x"])) }
    }

    @Test(arguments: ["", ".", "..", "a/b", "/etc"])
    func `a volume's name is a name`(_ name: String) {
        let plan = VolumePlan(name: name, source: .emptyDirectory(isMemory: false, sizeLimit: nil), group: nil)
        #expect(throws: PodRuntimeError.self) { try folder.make(plan) }
        #expect(throws: PodRuntimeError.self) { _ = try folder.source(of: name, subPath: "") }
    }

    @Test func `an empty directory keeps what was written`() throws {
        defer { folder.remove() }
        let plan = VolumePlan(name: "data", source: .emptyDirectory(isMemory: false, sizeLimit: nil), group: nil)
        try folder.make(plan)
        try "x".write(toFile: "\(base)/data/f", atomically: false, encoding: .utf8)
        try folder.make(plan)
        #expect(read("data/f") == "x")
        let inner = try folder.source(of: "data", subPath: "sub/dir")
        #expect(inner == "\(base)/data/sub/dir")
        #expect(FileManager.default.fileExists(atPath: inner))
        #expect(throws: PodRuntimeError.self) { _ = try folder.source(of: "data", subPath: "a/../../..") }
        #expect(throws: PodRuntimeError.self) { _ = try folder.source(of: "missing", subPath: "") }
    }

    @Test func `a host path is checked, and survives its volume`() throws {
        let target = base + "-host"
        defer { try? FileManager.default.removeItem(atPath: target) }
        func plan(_ type: String, _ path: String) -> VolumePlan {
            VolumePlan(name: "host", source: .hostPath(path, type: type), group: nil)
        }
        #expect(throws: PodRuntimeError("hostPath type check failed: \(target) is not a directory")) {
            try folder.make(plan("Directory", target))
        }
        #expect(throws: PodRuntimeError.self) { try folder.make(plan("", "relative")) }
        #expect(throws: PodRuntimeError.self) { try folder.make(plan("", "/tmp/../etc")) }
        try folder.make(plan("DirectoryOrCreate", target))
        try "x".write(toFile: target + "/f", atomically: false, encoding: .utf8)
        #expect(read("host/f") == "x")
        folder.remove()
        #expect(FileManager.default.fileExists(atPath: target + "/f"))
        #expect(!FileManager.default.fileExists(atPath: base))
    }
}
