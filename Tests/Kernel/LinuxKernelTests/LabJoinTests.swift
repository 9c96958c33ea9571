import Foundation
import Testing

@testable import LinuxKernel

/// Programs inside a lab that another process has started.
@Suite(.serialized) struct LabJoinTests {
    private struct Lab {
        let process: LabHostProcess
        let host: LabJoin.Host
        let network: Int32
        let probe: String

        /// Starts a program in the lab, as `become` does.
        func start(_ words: [String], output: Any? = nil) throws -> Process {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: probe)
            process.arguments = [LabJoin.argument, "\(host.processIdentifier)", "\(network)"] + words
            if let output { process.standardOutput = output }
            process.currentDirectoryURL = URL(fileURLWithPath: "/usr/bin")
            try process.run()
            return process
        }

        func run(_ words: [String]) throws -> (status: Int32, output: String) {
            let pipe = Foundation.Pipe()
            let process = try start(words, output: pipe)
            let output = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: output, as: UTF8.self))
        }
    }

    private func lab() async throws -> Lab {
        let before = Set(LabJoin.hosts())
        let probe = try LabEntryTests.probe
        let process = try LabHostProcess.spawn(arguments: ["enter"], executable: probe)
        var events = process.eventLines().makeAsyncIterator()
        let said = String(decoding: try #require(await events.next()), as: UTF8.self)
        let network = try #require(Int32(said))
        // Other tests may have labs, too: this one has the waiting process as an ancestor.
        let host = try #require(
            LabJoin.hosts().first {
                !before.contains($0) && Self.ancestors(of: $0.processIdentifier).contains(process.processIdentifier)
            })
        return Lab(process: process, host: host, network: network, probe: probe)
    }

    private static func ancestors(of pid: Int32) -> [Int32] {
        var found: [Int32] = []
        var pid = pid
        while pid > 1, found.count < 64 {
            let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            guard let end = stat.lastIndex(of: ")") else { return found }
            pid = Int32(stat[stat.index(after: end)...].split(separator: " ")[1]) ?? 0
            found.append(pid)
        }
        return found
    }

    @Test func aProgramSeesTheLabAndItsOwnFolder() async throws {
        let lab = try await lab()
        #expect(try lab.host.file("note", upTo: 100) == Array("inside\n".utf8))
        #expect(try lab.host.file("note", upTo: 3) == Array("ins".utf8))
        #expect(throws: SystemError.self) { try lab.host.file("another", upTo: 3) }
        let found = try lab.run([
            "/bin/sh", "-c", "cat \(lab.host.directory)/note; ls /sys/class/net; pwd; id -u; exit 7",
        ])
        #expect(found.output == "inside\nlo\n/usr/bin\n1000\n")
        #expect(found.status == 7)
        #expect(try lab.run(["/bin/sh", "-c", "kill -TERM $$"]).status == 128 + SIGTERM)
        #expect(try lab.run(["/nonexistent"]).status == 127)
        lab.process.terminate()
        #expect(try await lab.process.wait() == .exited(17))
        #expect(!LabJoin.hosts().contains(lab.host))
        #expect(try lab.run(["/bin/true"]).status == 3, "the lab is gone")
    }

    @Test func aProgramEndsWithTheLab() async throws {
        let lab = try await lab()
        let pipe = Foundation.Pipe()
        let sleeper = try lab.start(["/bin/sh", "-c", "echo inside; exec sleep 600"], output: pipe)
        #expect(pipe.fileHandleForReading.availableData == Data("inside\n".utf8))
        lab.process.kill()
        _ = try await lab.process.wait()
        sleeper.waitUntilExit()
        #expect(sleeper.terminationStatus == 128 + SIGKILL)
    }
}
