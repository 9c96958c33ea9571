import Foundation
import LinuxKernel
import Synchronization
import Testing

@testable import ControlPlane

/// Processes with the shell in place of a server.
@Suite struct ServerProcessTests {
    private final class Shell: Sendable {
        let process: ServerProcess
        let log: ServerLog
        let path: String
        private let ends: Ends

        private final class Ends: Sendable { let all = Mutex<[ControlPlaneNotice]>([]) }

        init(_ script: String, environment: [String: String] = ["PATH": "/usr/bin:/bin"]) throws {
            path = NSTemporaryDirectory() + "server-process-\(UUID().uuidString)"
            log = ServerLog(path: path)
            let ends = Ends()
            self.ends = ends
            process = try ServerProcess(
                .etcd, path: "/bin/sh", arguments: ["-c", script], environment: environment, namespacePath: nil,
                log: log
            ) { end in ends.all.withLock { $0.append(end) } }
        }

        deinit { unlink(path) }

        func told() -> [ControlPlaneNotice] { ends.all.withLock { $0 } }
        func lastLine() -> String { log.lastLines.last ?? "" }
    }

    @Test(arguments: [
        ("echo one; echo two >&2; exit 3", LinuxKernel.ExitStatus.exited(3)),
        ("echo one; echo two; kill -9 $$", .signalled(9)),
        ("echo one; printf two", .exited(0)),
    ])
    func theEndIsToldWithTheLastLines(_ script: String, _ status: LinuxKernel.ExitStatus) async throws {
        let shell = try Shell(script)
        #expect(await shell.process.hasEnded(by: .after(.seconds(20))))
        let end = try #require(shell.process.end)
        #expect(
            end == ControlPlaneNotice(server: .etcd, status: status, lastLines: ["one", "two"], wasExpected: false))
        #expect(shell.told() == [end])
        #expect(try String(contentsOfFile: shell.path, encoding: .utf8).hasPrefix("one\ntwo"))
        #expect(shell.process.usage() == nil)
    }

    /// A descendant that keeps the output open does not hide the end.
    @Test func anEndIsToldThoughTheOutputStaysOpen() async throws {
        let shell = try Shell("sleep 60 & echo $!; exit 0")
        #expect(await shell.process.hasEnded(by: .after(.seconds(20))))
        #expect(shell.process.end?.status == .exited(0))
        if let child = Int32(shell.log.lastLines.first ?? "") { kill(child, SIGKILL) }
    }

    @Test func anExpectedEndIsSaidToBeOne() async throws {
        let shell = try Shell("echo ready; exec sleep 60")
        try await line(of: shell) { $0 == "ready" }
        #expect((shell.process.usage()?.residentBytes ?? 0) > 0)
        shell.process.expectEnd()
        try shell.process.send(signal: SIGTERM)
        #expect(await shell.process.hasEnded(by: .after(.seconds(20))))
        #expect(shell.told().map(\.wasExpected) == [true])
        #expect(throws: SystemError.self) { try shell.process.send(signal: SIGTERM) }
    }

    /// Proxies and etcd's own options must not reach a server.
    @Test func nothingIsInherited() async throws {
        setenv("ETCD_NAME", "wrong", 1)
        let shell = try Shell("env; ls /proc/self/fd | wc -l", environment: ["PATH": "/usr/bin:/bin", "A": "b"])
        #expect(await shell.process.hasEnded(by: .after(.seconds(20))))
        let lines = shell.log.lastLines
        #expect(lines.contains("A=b") && !lines.contains { $0.hasPrefix("ETCD_") || $0.hasPrefix("HOME=") }, "\(lines)")
        // Three, and the folder itself.
        #expect(lines.last?.trimmingCharacters(in: .whitespaces) == "4")
    }

    @Test func aProgramThatIsNoneIsAnError() throws {
        #expect(throws: (any Error).self) {
            try SpawnedProgram.start("/nowhere/etcd", [], environment: [:])
        }
    }

    private static let counting = "n=0; while true; do n=$((n+1)); echo $n; sleep 0.01; done"

    @Test func aPausedProcessStandsStill() async throws {
        let shell = try Shell(Self.counting)
        try await line(of: shell) { Int($0) ?? 0 > 3 }
        let disturbance = try Disturbance(shell.process, still: nil)
        let state = try await stateOf(shell.process, "T")
        #expect(state == "T")
        disturbance.end()
        let before = Int(shell.lastLine()) ?? 0
        try await line(of: shell) { Int($0) ?? 0 > before + 3 }
        try shell.process.send(signal: SIGKILL)
        #expect(await shell.process.hasEnded(by: .after(.seconds(20))))
    }

    /// It stands still most of the time, and is not stopped for good when the disturbance ends at any moment.
    @Test func aSlowProcessGoesOnAtItsEnd() async throws {
        let shell = try Shell(Self.counting)
        for round in 0..<20 {
            let disturbance = try Disturbance(shell.process, still: .milliseconds(3 + round))
            try await Task.sleep(for: .milliseconds(7 * round))
            disturbance.end()
            let before = Int(shell.lastLine()) ?? 0
            try await line(of: shell) { Int($0) ?? 0 > before + 2 }
        }
        try shell.process.send(signal: SIGKILL)
        #expect(await shell.process.hasEnded(by: .after(.seconds(20))))
    }

    private func line(of shell: Shell, is wanted: (String) -> Bool) async throws {
        let deadline = Deadline.after(.seconds(20))
        while !wanted(shell.lastLine()) {
            try #require(!deadline.hasPassed, "last line: \(shell.lastLine())")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// The state of proc(5) as soon as it is the wanted one, or the last one seen.
    private func stateOf(_ process: ServerProcess, _ wanted: Character) async throws -> Character? {
        let deadline = Deadline.after(.seconds(20))
        while true {
            let text = try String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8)
            let state = text.split(separator: ")").last?.dropFirst().first
            if state == wanted || deadline.hasPassed { return state }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}
