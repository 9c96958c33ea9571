import Foundation
import Glibc
import NamespaceHarness
import Reports
import RunEvents
import Subprocess
import SystemPackage
import Testing

/// The built `labrun`, run as users run it. `make test` sets `LABRUN` to its path.
struct LabrunProgram {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    let path: String

    init() throws {
        let named = ProcessInfo.processInfo.environment["LABRUN"]
        let built = Self.root.appendingPathComponent(".build/release/labrun").path
        path = named ?? built
        // The test is never skipped, because a test in a virtual machine that did not run would look green.
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Missing(description: "no labrun at \(path); run `make build` first")
        }
    }

    static var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    struct Ended {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs a scenario with its report in `report` of the folder, by which its processes can be recognized.
    ///
    /// - Parameter alone: Whether no other lab may run beside it, because it makes a claim about time or needs the
    ///   memory.
    func run(
        scenario: String, in folder: ScratchFolder, alone: Bool = false, _ options: [String] = []
    ) async throws -> Ended {
        try await run(scenarios: [scenario], in: folder, alone: alone, options)
    }

    /// Runs scenarios with one command. With several, each has a folder of its name in `report`.
    func run(
        scenarios: [String], in folder: ScratchFolder, alone: Bool = false, _ options: [String] = []
    ) async throws -> Ended {
        let lane = await LabLanes.shared.lane(alone: alone)
        defer { lane.end() }
        return try await run(
            ["scenario"] + scenarios + ["--report-dir", "\(folder.path)/report"] + options,
            environment: ["LABRUN_TEST_FOLDER": folder.path])
    }

    /// Runs the program to its end.
    func run(_ arguments: [String], environment: [String: String] = [:], directory: String? = nil) async throws -> Ended
    {
        try await Self.run(path, arguments, environment: environment, directory: directory)
    }

    /// The path of a scenario of these tests.
    static func scenario(_ name: String) -> String { root.path + "/Tests/Host/LabTests/Scenarios/\(name).yaml" }

    /// Runs any program to its end.
    static func run(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil
    ) async throws -> Ended {
        var values: Environment = .inherit
        for (key, value) in environment {
            values = values.updating([.init(stringLiteral: key): value])
        }
        let result = try await Subprocess.run(
            .path(FilePath(path)), arguments: Arguments(arguments), environment: values,
            workingDirectory: directory.map { FilePath($0) }, output: .string(limit: 16 << 20),
            error: .string(limit: 1 << 20))
        let status: Int32
        switch result.terminationStatus {
        case .exited(let code): status = Int32(code)
        case .signaled(let signal): status = 128 + Int32(signal)
        }
        return Ended(status: status, output: result.standardOutput, errors: result.standardError)
    }
}

/// A folder for one test. It is removed together with the object.
final class ScratchFolder: Sendable {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "labrun-test-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func report(_ name: String = "report") throws -> RunReport {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)/report.json"))
        return try RunReport(json: data)
    }
}

/// Everything of a lab that could be left behind on this host.
struct HostState {
    let interfaces: Set<String>
    let mounts: Set<String>
    /// The entries of the directory in which every lab of this user mounts its own file system.
    let files: Set<String>

    private static var mountPoint: String {
        let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"]
        if let runtime, runtime.hasPrefix("/"), access(runtime, W_OK) == 0 { return runtime + "/labrun" }
        return "/tmp/labrun-\(geteuid())"
    }

    static func read() throws -> HostState {
        let files = FileManager.default
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
        return HostState(
            interfaces: Set(try files.contentsOfDirectory(atPath: "/sys/class/net")),
            mounts: Set(mounts.split(separator: "\n").map(String.init).filter { $0.contains("labrun") }),
            files: Set((try? files.contentsOfDirectory(atPath: mountPoint)) ?? []))
    }

    /// Returns the processes of one run: those that have its folder in their environment or, like QEMU, in their
    /// arguments. Other labs on this host are ignored.
    static func processes(of folder: ScratchFolder) throws -> [String] {
        let name = Data(folder.path.utf8)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.compactMap {
            pid in
            let texts = ["environ", "cmdline"].map { FileManager.default.contents(atPath: "/proc/\(pid)/\($0)") }
            guard texts.contains(where: { $0?.range(of: name) != nil }) else { return nil }
            let command = (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)) ?? ""
            return "\(pid) \(command.trimmingCharacters(in: .newlines))"
        }
    }

    /// Returns what a run left behind, after the kernel has had time to remove a killed namespace.
    static func leftovers(
        of folder: ScratchFolder, since before: HostState, within seconds: Double = 5
    ) async throws -> [String] {
        let end = Date().addingTimeInterval(seconds)
        while true {
            let now = try read()
            let found =
                try processes(of: folder) + now.interfaces.subtracting(before.interfaces).sorted()
                + now.mounts.subtracting(before.mounts).sorted() + now.files.subtracting(before.files).sorted()
            if found.isEmpty || Date() >= end { return found }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
