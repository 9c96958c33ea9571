import Foundation
import Glibc
import RunEvents
import Testing

/// Kills and interrupts at bad moments. Nothing may stay, and what still lives must say what happened.
@Suite(.serialized) struct SurvivalTests {
    /// A run that is watched through its event stream, so that it can be hit at a known moment.
    private func hit(
        when reached: @escaping (RunEvent) -> Bool, _ strike: @escaping (Process) throws -> Void
    ) async throws -> (status: Int32, folder: ScratchFolder) {
        let labrun = try LabrunProgram()
        let folder = try ScratchFolder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: labrun.path)
        process.arguments = [
            "scenario", "vxlan-blocked-8472", "--report-dir", "\(folder.path)/report", "--output", "jsonl",
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        var struck = false
        var pending = Data()
        while true {
            let chunk = pipe.fileHandleForReading.availableData
            guard !chunk.isEmpty else { break }
            pending += chunk
            while let end = pending.firstIndex(of: 0x0A) {
                let line = pending[..<end]
                pending = Data(pending[pending.index(after: end)...])
                guard !struck, let event = try? EventLine.decode(line), reached(event) else { continue }
                struck = true
                try strike(process)
            }
        }
        process.waitUntilExit()
        #expect(struck, "the moment never came")
        let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return (status, folder)
    }

    /// Processes below one, by parent.
    private func descendants(of root: Int32) -> [(pid: Int32, name: String)] {
        var children: [Int32: [Int32]] = [:]
        var names: [Int32: String] = [:]
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(entry), let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")"), let start = stat.firstIndex(of: "(")
            else { continue }
            let fields = stat[stat.index(after: end)...].split(separator: " ")
            guard fields.count > 1, let parent = Int32(fields[1]) else { continue }
            children[parent, default: []].append(pid)
            names[pid] = String(stat[stat.index(after: start)..<end])
        }
        var found: [(Int32, String)] = []
        var queue = children[root] ?? []
        while let pid = queue.popLast() {
            found.append((pid, names[pid] ?? ""))
            queue += children[pid] ?? []
        }
        return found
    }

    private static func inPhase(_ phase: Phase) -> @Sendable (RunEvent) -> Bool {
        { if case .phaseStarted(phase) = $0.payload { true } else { false } }
    }

    @Test(arguments: [Phase.boot, .inject, .teardown])
    func `kill -9 of the outer labrun leaves nothing`(phase: Phase) async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: Self.inPhase(phase)) { kill($0.processIdentifier, SIGKILL) }
        #expect(status == 128 + SIGKILL)
        let after = try await HostState.settle(as: before)
        #expect(after.leftovers(since: before).isEmpty)
        // What was known by then is in the journal, line by line.
        let journal = try String(contentsOfFile: "\(folder.path)/report/journal.jsonl", encoding: .utf8)
        let lines = journal.split(separator: "\n")
        #expect(lines.count > 1)
        #expect(lines.allSatisfy { (try? EventLine.decode(Data($0.utf8))) != nil })
    }

    @Test(arguments: [Phase.boot, .inject, .teardown])
    func `kill -9 of the lab host is an infra-error with a report`(phase: Phase) async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: Self.inPhase(phase)) { process in
            let hosts = descendants(of: process.processIdentifier).filter { $0.name.hasPrefix("labrun") }
            // The newest is PID 2 of the lab: the lab host itself.
            let host = try #require(hosts.map(\.pid).max())
            kill(host, SIGKILL)
        }
        #expect(status == 3)
        #expect(try folder.report().verdict == .infraError)
        let after = try await HostState.settle(as: before)
        #expect(after.leftovers(since: before).isEmpty)
    }

    @Test func `kill -9 of one QEMU is an infra-error that names the node`() async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: Self.inPhase(.baseline)) { process in
            let machine = try #require(
                descendants(of: process.processIdentifier).first { $0.name.hasPrefix("qemu-system") })
            kill(machine.pid, SIGKILL)
        }
        #expect(status == 3)
        let report = try folder.report()
        #expect(report.verdict == .infraError)
        #expect(report.message.contains("node"))
        let after = try await HostState.settle(as: before)
        #expect(after.leftovers(since: before).isEmpty)
    }

    @Test(arguments: [Phase.boot, .inject])
    func `SIGINT ends in order, with a report`(phase: Phase) async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: Self.inPhase(phase)) { kill($0.processIdentifier, SIGINT) }
        #expect(status == 130)
        #expect(try folder.report().verdict == .interrupted)
        for name in ["junit.xml", "report.html", "journal.jsonl"] {
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/report/\(name)"))
        }
        let after = try await HostState.settle(as: before)
        #expect(after.leftovers(since: before).isEmpty)
    }
}
