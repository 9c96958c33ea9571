import Foundation
import LinuxKernel
import RunEvents
import Synchronization
import Testing

@testable import Reports

#if canImport(Glibc)
    import Glibc
#endif

/// Makes a new folder below the system's temporary one, and removes it after the body.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = NSTemporaryDirectory() + "reports-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// A disk with this much room, in bytes. As in the kernel, a write that does not fit is done in part, and the next one
/// gets ENOSPC.
private func disk(of room: Int) -> WriteCall {
    let left = Mutex(room)
    return WriteCall { descriptor, bytes in
        let fits = left.withLock { left in
            let fits = min(left, bytes.count)
            left -= fits
            return fits
        }
        if fits == 0 { return (-1, ENOSPC) }
        return (Glibc.write(descriptor, bytes.baseAddress, fits), 0)
    }
}

@Suite struct JournalTests {
    @Test func everyEventIsOneLineAndReadsBack() throws {
        try withFolder { folder in
            let events = SampleRun(hostile: "\n\r\u{2028}\u{1B}[2J\"\\").events
            let journal = try Journal(path: folder + "/journal.jsonl")
            for (index, event) in events.enumerated() {
                try journal.consume(event)
                let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/journal.jsonl"))
                #expect(data.count { $0 == 10 } == index + 1)
            }
            let again = try Journal.read(path: folder + "/journal.jsonl")
            #expect(try again.map { try EventLine.encode($0) } == events.map { try EventLine.encode($0) })
        }
    }

    @Test(arguments: [0, 1, 500, 5_000, 40_000]) func aFullDiskLeavesCompleteLines(room: Int) throws {
        try withFolder { folder in
            let path = folder + "/journal.jsonl"
            let journal = try Journal(path: path, write: disk(of: room))
            var complaints: [String] = []
            let reporters = RunReporters([journal], complain: { complaints.append("\($0)") })
            for event in SampleRun().events { reporters.consume(event) }
            let report = reporters.finish()
            #expect(report.verdict == .pass)
            #expect(complaints.count == 1)
            #expect(complaints[0].contains(path) && complaints[0].contains("No space left"))
            #expect(
                reporters.incompleteness?.hasSuffix("a part of it was not written: exit code 3 (infra-error)") == true)
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(data.count <= room)
            #expect(data.isEmpty || data.last == 10)
            let read = try Journal.read(path: path)
            #expect(read.count == data.count { $0 == 10 })
        }
    }

    @Test func aLineCutByAKillIsLeftOutAndABrokenOneIsNamed() throws {
        try withFolder { folder in
            let path = folder + "/journal.jsonl"
            let line = try EventLine.encode(SampleRun().events[0])
            try (line + Data("\n".utf8) + line.prefix(20)).write(to: URL(fileURLWithPath: path))
            #expect(try Journal.read(path: path).count == 1)
            try (Data("{}\n".utf8) + line + Data("\n".utf8)).write(to: URL(fileURLWithPath: path))
            #expect { try Journal.read(path: path) } throws: { "\($0)".contains("line 1") }
            #expect(throws: ReportError.self) { try Journal.read(path: folder + "/none") }
        }
    }

    @Test func aFullDiskLeavesTheOldFileWhole() throws {
        try withFolder { folder in
            let path = folder + "/report.json"
            try ReportFile(path: path).replace(with: Data("old".utf8))
            #expect {
                try ReportFile(path: path, write: disk(of: 2)).replace(with: Data("newer".utf8))
            } throws: { ($0 as? ReportError)?.code == .diskFull && "\($0)".contains(path) }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["report.json"])
        }
    }

    @Test func artifactsAreMeasuredAndStayInTheFolder() throws {
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/artifacts", withIntermediateDirectories: true)
            try Data("abc".utf8).write(to: URL(fileURLWithPath: folder + "/artifacts/console-node1.log"))
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/artifacts/link", withDestinationPath: "/etc/passwd")
            var report = assemble(SampleRun().events)
            for path in ["../x", "/etc/passwd", "artifacts/../../x", "artifacts/link", "artifacts"] {
                report.artifacts.append(.init(path: path, kind: "console"))
            }
            report.measureArtifacts(in: folder)
            #expect(report.artifacts[0].bytes == 3)
            #expect(report.artifacts[0].sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            for artifact in report.artifacts.dropFirst() {
                #expect(artifact.error != nil && artifact.bytes == nil, "\(artifact.path)")
            }
        }
    }
}

@Suite struct StandardReportersTests {
    @Test func aRunLeavesItsWholeFolder() throws {
        try withFolder { parent in
            let folder = ReportFolder(path: parent + "/a/b")
            // JSON output would go to the test's own standard output, so only the files are made.
            try folder.create()
            let options = ReportOptions(folder: folder, junit: parent + "/extra.xml", html: parent + "/extra.html")
            let reporters = RunReporters(
                [try Journal(path: folder.journal)] + RunReporters.files(options), folder: folder,
                complain: { Issue.record($0) })
            for event in SampleRun().events { reporters.consume(event) }
            let report = reporters.finish()
            #expect(reporters.incompleteness == nil)
            #expect(report.artifacts.filter { $0.kind == "matrix-picture" && ($0.bytes ?? 0) > 0 }.count == 3)
            for path in [
                folder.report, folder.junit, folder.html, folder.journal, parent + "/extra.xml", parent + "/extra.html",
            ] {
                #expect(FileManager.default.fileExists(atPath: path), "\(path)")
            }
            let read = try RunReport(json: Data(contentsOf: URL(fileURLWithPath: folder.report)))
            #expect(read.verdict == .pass && read.artifacts.count == 5)
            if let show = ProcessInfo.processInfo.environment["LABRUN_SHOW"], show.hasPrefix("/") {
                try FileManager.default.copyItem(atPath: folder.journal, toPath: show + "/pass.jsonl")
            }
        }
    }

    /// A run that is killed writes no report. That of an earlier run in the same folder must not look like its own.
    @Test func reportsOfAnEarlierRunAreRemovedAtTheStart() throws {
        try withFolder { path in
            let folder = ReportFolder(path: path)
            let further = path + "/further.xml"
            let reports = [folder.report, folder.junit, folder.html, further]
            for file in reports { try Data("earlier".utf8).write(to: URL(fileURLWithPath: file)) }
            try folder.create()
            try ReportFile(path: further).removeEarlier()
            for file in reports { #expect(!FileManager.default.fileExists(atPath: file), "\(file)") }
            // There is nothing to remove in a new folder, and a device is no report.
            try folder.create()
            try ReportFile(path: "/dev/null").removeEarlier()
            #expect(FileManager.default.fileExists(atPath: "/dev/null"))
        }
    }

    @Test func aFolderThatCannotBeMadeIsSaidInTheKernelsWords() throws {
        #expect { try ReportFolder(path: "/proc/none/x").create() } throws: {
            "\($0)" == "/proc/none/x: cannot create the folder: No such file or directory"
        }
        try withFolder { folder in
            try Data().write(to: URL(fileURLWithPath: folder + "/file"))
            #expect { try ReportFolder(path: folder + "/file").create() } throws: {
                "\($0)" == "\(folder)/file: cannot create the folder: Not a directory"
            }
        }
    }

    @Test(arguments: [
        ("/proc/none/y", "cannot create: No such file or directory"),
        ("/dev/null", "is there, and is not a regular file"),
        ("/proc", "is there, and is not a regular file"),
    ])
    func aFurtherFileThatCannotBeWrittenIsFoundBeforeTheRun(path: String, reason: String) throws {
        try withFolder { folder in
            for (junit, html) in [(path, nil), (nil, path)] as [(String?, String?)] {
                let options = ReportOptions(folder: ReportFolder(path: folder), junit: junit, html: html)
                #expect { try RunReporters.standard(options) } throws: { "\($0)" == "\(path): \(reason)" }
            }
            #expect { try ReportFile(path: path).replace(with: Data()) } throws: { "\($0)" == "\(path): \(reason)" }
        }
    }

    @Test func aComplaintThatCannotBeWrittenDoesNotEndTheRun() throws {
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        RunReporters.complain(of: SystemError(code: ENOSPC, call: "write"), on: full)
        let pipe = Foundation.Pipe()
        RunReporters.complain(
            of: SystemError(code: ENOSPC, call: "write", subject: "\u{1B}[2J"), on: pipe.fileHandleForWriting)
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try #require(try pipe.fileHandleForReading.readToEnd()), as: UTF8.self)
        #expect(text == "labrun: write \\x1B[2J: No space left on device\n")
    }

    @Test func aFullStandardOutputIsNotMendedByAnotherFolder() {
        let file = ReportError.system(ENOSPC, doing: "write", file: "/x/report.json")
        #expect(file.code == .diskFull && "\(file)".contains("--report-dir"))
        let output = ReportError.system(ENOSPC, doing: "write", file: ReportError.standardOutput)
        #expect(output.code == .diskFull)
        #expect("\(output)" == "standard output: cannot write: No space left on device")
    }
}
