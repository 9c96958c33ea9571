import Foundation
import Testing

@testable import LinuxKernel

/// The numbers of all processes with the command line `sleep MARK`. Only one test uses each mark.
private func sleepers(_ mark: String) -> [Int32] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap(Int32.init).filter { pid in
        FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") == Data("sleep\0\(mark)\0".utf8)
    }
}

private func children(of pid: Int32) -> [Int32] {
    let text = FileManager.default.contents(atPath: "/proc/\(pid)/task/\(pid)/children") ?? Data()
    return String(decoding: text, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
}

/// Polls until the condition holds. The deadline is generous because the machine may be busy.
private func eventually(_ condition: () -> Bool) async throws -> Bool {
    let deadline = Deadline.after(.seconds(10))
    while !condition() {
        if deadline.hasPassed { return false }
        try await Task.sleep(for: .milliseconds(5))
    }
    return true
}

private func mark() -> String { "1\(getpid())\(Int.random(in: 1000...9999))" }

@Suite(.serialized) struct LabEntryTests {
    /// The path of `LabEntryProbe`, which is built beside the tests.
    static var probe: String {
        get throws {
            let bundle = CommandLine.arguments.first { $0.contains(".xctest") }
            let folder = URL(fileURLWithPath: try #require(bundle)).standardized.path
                .components(separatedBy: "/").prefix { !$0.hasSuffix(".xctest") }.joined(separator: "/")
            let path = folder + "/LabEntryProbe"
            try #require(FileManager.default.isExecutableFile(atPath: path), "no \(path)")
            return path
        }
    }

    private func lines(_ host: LabHostProcess) async -> [String] {
        var lines: [String] = []
        for await line in host.eventLines() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    @Test func insideOfALab() async throws {
        let host = try LabHostProcess.spawn(arguments: ["facts"], executable: try Self.probe)
        let facts = await lines(host)
        #expect(try await host.wait() == .exited(0))
        #expect(facts.contains("pid=2 uid=1000 gid=1000"))
        #expect(facts.contains("net=lo"))
        #expect(facts.contains("lo=0x9"))
        #expect(facts.contains("lab="))
        let ambient = try #require(facts.first { $0.hasPrefix("CapAmb:") })
        #expect(ambient.hasSuffix("ffffffff"), "all capabilities survive an exec: \(ambient)")
        #expect(facts.contains("fds=0,1,2,3,4,5"), "only the channels (5 is the listing itself): \(facts)")
    }

    @Test func commandsArrive() async throws {
        let host = try LabHostProcess.spawn(arguments: ["echo"], executable: try Self.probe)
        try host.send(Array("boot".utf8))
        #expect(await lines(host) == ["boot"])
        #expect(try await host.wait() == .exited(0))
    }

    @Test(arguments: [0, 3, 42, 130]) func exitCodePassesThrough(code: Int32) async throws {
        let host = try LabHostProcess.spawn(arguments: ["exit", "\(code)"], executable: try Self.probe)
        #expect(try await host.wait() == .exited(code))
    }

    @Test(arguments: [SIGKILL, SIGUSR1, SIGALRM]) func deathBySignalIsTold(number: Int32) async throws {
        let host = try LabHostProcess.spawn(arguments: ["signal", "\(number)"], executable: try Self.probe)
        #expect(try await host.wait() == .signalled(number))
    }

    @Test func terminateReachesTheLabHost() async throws {
        let mark = mark()
        let host = try LabHostProcess.spawn(arguments: ["hold", mark], executable: try Self.probe)
        var events = host.eventLines().makeAsyncIterator()
        #expect(await events.next() == Array("ready".utf8))
        host.terminate()
        #expect(await events.next() == Array("signal".utf8))
        #expect(try await host.wait() == .exited(17))
        #expect(sleepers(mark).isEmpty)
    }

    @Test func hangingUpTheLifelineEndsEverything() async throws {
        let mark = mark()
        let host = try LabHostProcess.spawn(arguments: ["hold", mark], executable: try Self.probe)
        var events = host.eventLines().makeAsyncIterator()
        _ = await events.next()
        #expect(try await eventually { sleepers(mark).count == 2 })
        host.kill()
        _ = try await host.wait()
        #expect(sleepers(mark).isEmpty, "PID 1 ends after all others")
    }

    enum Victim: CaseIterable { case outer, waiter, initProcess, labHost }

    @Test(arguments: Victim.allCases) func killLeavesNothing(victim: Victim) async throws {
        let mark = mark()
        let outer = Process()
        outer.executableURL = URL(fileURLWithPath: try Self.probe)
        outer.arguments = ["hold", mark]
        let output = Foundation.Pipe()
        outer.standardOutput = output
        try outer.run()
        let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let waiter = try #require(Int32(said.split(whereSeparator: \.isWhitespace).last ?? ""), "\(said)")
        let initProcess = try #require(children(of: waiter).first)
        #expect(try await eventually { sleepers(mark).count == 2 })
        let labHost = try #require(children(of: initProcess).first)
        let target =
            switch victim {
            case .outer: outer.processIdentifier
            case .waiter: waiter
            case .initProcess: initProcess
            case .labHost: labHost
            }
        let handles = [waiter, initProcess, labHost].map { try? ProcessPin($0) }
        kill(target, SIGKILL)
        for handle in handles {
            let handle = try #require(handle)
            #expect(try handle.handle.hasEnded(by: .after(.seconds(5))))
        }
        #expect(try await eventually { sleepers(mark).isEmpty })
        outer.waitUntilExit()
        #expect(try FileManager.default.contentsOfDirectory(atPath: LabNamespace.prepareMountPoint()).isEmpty)
    }

    @Test func anOrdinaryUserEntersToo() async throws {
        try #require(geteuid() == 0, "run as root: this test becomes an ordinary user itself")
        // Other users may have no access to the build folder.
        let copy = "/tmp/labrun-entry-probe-\(getpid())"
        try FileManager.default.copyItem(atPath: try Self.probe, toPath: copy)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        chmod(copy, 0o755)
        let outer = Process()
        outer.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        outer.arguments = [
            "--reuid=65533", "--regid=65533", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", copy, "hold",
            mark(),
        ]
        outer.environment = [
            "PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? "",
        ]
        let output = Foundation.Pipe()
        outer.standardOutput = output
        try outer.run()
        let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let waiter = try #require(Int32(said.split(whereSeparator: \.isWhitespace).last ?? ""), "\(said)")
        let status = FileManager.default.contents(atPath: "/proc/\(waiter)/status") ?? Data()
        #expect(String(decoding: status, as: UTF8.self).contains("Uid:\t65533"))
        outer.terminate()
        outer.waitUntilExit()
        let pin = try? ProcessPin(waiter)
        #expect(try pin?.handle.hasEnded(by: .after(.seconds(5))) ?? true)
        rmdir("/tmp/labrun-65533")
    }

    @Test func aForbiddenNamespaceNamesItsMend() {
        let none = UserNamespaceSettings(unprivilegedClone: 1, maximum: 90_000, appArmorRestricts: 0)
        var forbidden = none
        #expect(!none.mend(stage: .unshareUser, code: EPERM, asRoot: false).isEmpty)
        forbidden.unprivilegedClone = 0
        #expect(forbidden.mend(stage: .unshareUser, code: EPERM, asRoot: false).contains("unprivileged_userns_clone=1"))
        #expect(!forbidden.mend(stage: .unshareUser, code: EPERM, asRoot: true).contains("unprivileged_userns_clone"))
        forbidden = none
        forbidden.maximum = 0
        #expect(forbidden.mend(stage: .unshareUser, code: ENOSPC, asRoot: true).contains("max_user_namespaces"))
        forbidden = none
        forbidden.appArmorRestricts = 1
        #expect(forbidden.mend(stage: .idMap, code: EPERM, asRoot: false).contains("apparmor_restrict"))
        let error = LabEntryError(stage: .unshareUser, code: EPERM, mend: "do this")
        #expect("\(error)" == "cannot create a user namespace: Operation not permitted; to mend it: do this")
    }

    @Test func aProgramThatDoesNotEnterIsTold() throws {
        #expect(throws: LabEntryError.self) {
            _ = try LabHostProcess.spawn(arguments: [], executable: "/bin/true")
        }
        #expect(throws: SystemError.self) {
            _ = try LabHostProcess.spawn(arguments: [], executable: "/nonexistent")
        }
    }
}

/// A copyable box around a pidfd, for arrays.
private final class ProcessPin {
    let handle: ProcessHandle
    init(_ pid: Int32) throws { handle = try ProcessHandle(processIdentifier: pid) }
}
