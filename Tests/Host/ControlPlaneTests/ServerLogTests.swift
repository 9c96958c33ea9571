@testable import ControlPlane
import Foundation
import Testing

@Suite struct ServerLogTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "server-log-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    @Test func keepsTheNewest() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = ServerLog(path: folder.appending(path: "a.log").path, limit: 1_000)
        for number in 0..<100 { log.append(Array("line \(number) \(String(repeating: "x", count: 40))\n".utf8)) }
        let (new, old) = (try text("a.log"), try text("a.log.1"))
        #expect(new.utf8.count <= 1_000 && old.utf8.count <= 1_000)
        #expect(new.contains("line 99 ") && !old.contains("line 0 "))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
        #expect(log.lastLines.count == 20)
        #expect(log.lastLines.last?.hasPrefix("line 99 ") == true)
    }

    /// Lines come in pieces, and may have no end.
    @Test func linesAreCut() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = ServerLog(path: folder.appending(path: "a.log").path)
        log.append(Array("one\ntw".utf8))
        #expect(log.lastLines == ["one", "tw"])
        log.append(Array("o\n\nthree".utf8))
        #expect(log.lastLines == ["one", "two", "", "three"])
        for _ in 0..<100 { log.append([UInt8](repeating: 0xFF, count: 100_000)) }
        let last = try #require(log.lastLines.last)
        #expect(last.hasPrefix("three") && last.unicodeScalars.count <= ServerLog.lineLimit)
        log.beginProcess()
        #expect(log.lastLines.isEmpty)
    }

    @Test(arguments: [
        ("Error: unknown flag: --no-such-flag", true), ("flag provided but not defined: -no-such-flag", true),
        ("F1129 18:35:58.121896       1 server.go:11] failed", true), ("panic: runtime error", true),
        ("2026-11-29 18:35:58.121896 C | etcdmain: error listing data dir: /dev/null", true),
        (#"{"level":"fatal","ts":"2026-11-29T18:35:58Z","msg":"discovery failed"}"#, true),
        ("E1129 18:35:58.121896       1 server.go:11] failed", false), ("Flag --port has been deprecated", false),
        ("F", false), ("Fair", false), ("", false), ("goroutine 1 [running]:", false),
    ])
    func reasonsAreKnown(_ line: String, _ isReason: Bool) {
        #expect(ServerLog.isReason(line) == isReason)
    }

    /// A stack, or a list of all flags, does not hide why a process ended.
    @Test func theReasonIsKept() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = ServerLog(path: folder.appending(path: "a.log").path)
        log.append(Array("begin\nError: unknown flag: --x\npanic: second\n".utf8))
        #expect(log.lastLines == ["begin", "Error: unknown flag: --x", "panic: second"])
        for number in 0..<400 { log.append(Array("  --flag-\(number)\n".utf8)) }
        #expect(log.lastLines.count == ServerLog.keptLines)
        #expect(log.lastLines.first == "Error: unknown flag: --x")
        #expect(log.lastLines.last == "  --flag-399")
        log.beginProcess()
        log.append(Array("again\n".utf8))
        #expect(log.lastLines == ["again"])
    }

    /// It goes on where an earlier run of the server has stopped.
    @Test func goesOn() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "a.log").path
        ServerLog(path: path).append(Array("first\n".utf8))
        ServerLog(path: path).append(Array("second\n".utf8))
        #expect(try text("a.log") == "first\nsecond\n")
    }

    /// A log that cannot be written keeps its last lines.
    @Test func survivesAFolderThatIsGone() throws {
        try FileManager.default.removeItem(at: folder)
        let log = ServerLog(path: folder.appending(path: "a.log").path)
        log.append(Array("first\n".utf8))
        #expect(log.lastLines == ["first"])
    }
}
