import Foundation
import RunEvents

extension LabrunProgram {
    /// Runs scenarios with one command, and shows each of their events as it comes, so that a run can be hit at a known
    /// moment. The caller has a lane.
    ///
    /// - Returns: The program's exit code, or 128 and the signal that ended it.
    func watch(
        _ scenarios: [String], in folder: ScratchFolder, _ options: [String] = [],
        isolation: isolated (any Actor)? = #isolation, _ look: (RunEvent, Process) async throws -> Void
    ) async throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments =
            ["scenario"] + scenarios + ["--report-dir", "\(folder.path)/report", "--output", "jsonl"] + options
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["LABRUN_TEST_FOLDER": folder.path]
        ) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        var pending = Data()
        while true {
            let chunk = pipe.fileHandleForReading.availableData
            guard !chunk.isEmpty else { break }
            pending += chunk
            while let end = pending.firstIndex(of: 0x0A) {
                let line = pending[..<end]
                pending = Data(pending[pending.index(after: end)...])
                if let event = try? EventLine.decode(line) { try await look(event, process) }
            }
        }
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }
}

extension HostState {
    /// Returns the processes below one, found by their parents.
    static func descendants(of root: Int32) -> [(pid: Int32, name: String)] {
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
}
