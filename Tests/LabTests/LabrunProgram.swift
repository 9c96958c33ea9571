import Foundation
import Glibc
import Reports
import RunEvents
import Subprocess
import SystemPackage
import Testing

/// The built `labrun`, run as its users run it. `LABRUN` names it; `make test` sets that.
struct LabrunProgram {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    let path: String

    init() throws {
        let named = ProcessInfo.processInfo.environment["LABRUN"]
        let built = Self.root.appendingPathComponent(".build/release/labrun").path
        path = named ?? built
        // Never a skip: a VM test that did not run would read as green.
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Missing(description: "no labrun at \(path); run `make build` first")
        }
    }

    static var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    struct Ended {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs it to its end.
    func run(_ arguments: [String], environment: [String: String] = [:], directory: String? = nil) async throws -> Ended
    {
        try await Self.run(path, arguments, environment: environment, directory: directory)
    }

    /// A scenario of these tests.
    static func scenario(_ name: String) -> String { root.path + "/Tests/LabTests/Scenarios/\(name).yaml" }

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

/// A folder of a test's own, removed with it.
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
struct HostState: Equatable {
    /// Processes of labs, by name and start: other programs come and go.
    let processes: Set<String>
    let interfaces: Set<String>
    let mounts: Set<String>
    /// Entries of the directory on which every lab of this user mounts its own.
    let files: Set<String>

    private static var mountPoint: String {
        let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"]
        if let runtime, runtime.hasPrefix("/"), access(runtime, W_OK) == 0 { return runtime + "/labrun" }
        return "/tmp/labrun-\(geteuid())"
    }

    static func read() throws -> HostState {
        let files = FileManager.default
        var processes: Set<String> = []
        for entry in try files.contentsOfDirectory(atPath: "/proc") where Int(entry) != nil {
            guard let name = try? String(contentsOfFile: "/proc/\(entry)/comm", encoding: .utf8) else { continue }
            if name.hasPrefix("qemu-system") || name.hasPrefix("labrun") { processes.insert("\(entry) \(name)") }
        }
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
        return HostState(
            processes: processes, interfaces: Set(try files.contentsOfDirectory(atPath: "/sys/class/net")),
            mounts: Set(mounts.split(separator: "\n").map(String.init).filter { $0.contains("labrun") }),
            files: Set((try? files.contentsOfDirectory(atPath: mountPoint)) ?? []))
    }

    /// Waits until the host is as it was: processes of a killed namespace take some milliseconds to go.
    static func settle(as before: HostState, within seconds: Double = 5) async throws -> HostState {
        let end = Date().addingTimeInterval(seconds)
        var now = try read()
        while !now.processes.isSubset(of: before.processes), Date() < end {
            try await Task.sleep(for: .milliseconds(20))
            now = try read()
        }
        return now
    }

    func leftovers(since before: HostState) -> [String] {
        processes.subtracting(before.processes).sorted() + interfaces.subtracting(before.interfaces).sorted()
            + mounts.subtracting(before.mounts).sorted() + files.subtracting(before.files).sorted()
    }
}
