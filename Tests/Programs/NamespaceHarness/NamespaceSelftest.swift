import Foundation

/// Runs a case of `namespace-selftest`, or of another such program, in fresh user, network, mount and PID namespaces,
/// as root and as an ordinary user.
public enum NamespaceSelftest {
    public struct Outcome: Sendable {
        public let passed: Bool
        /// Standard output and error.
        public let output: String
    }

    /// - Parameter needsControlPlane: Whether the program starts Kubernetes' servers, whose folder it is then told.
    public static func run(
        _ name: String, of program: String = "namespace-selftest", needsControlPlane: Bool = false
    ) throws -> Outcome {
        let process = Process()
        if needsControlPlane {
            process.environment = ProcessInfo.processInfo.environment.merging(
                [ControlPlaneFolder.variable: try ControlPlaneFolder.path()]
            ) { $1 }
        }
        process.executableURL = URL(filePath: "/usr/bin/unshare")
        process.arguments = [
            "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "--net", "--mount", "--pid", "--fork",
            "--kill-child", "--mount-proc", try executable(program).path, name,
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            passed: process.terminationReason == .exit && process.terminationStatus == 0,
            output: String(decoding: text, as: UTF8.self))
    }

    /// The executable lies beside the test bundle, whichever way that was started.
    private static func executable(_ program: String) throws -> URL {
        let places = ["/proc/self/exe"] + CommandLine.arguments
        for place in places {
            let folder = URL(filePath: place).resolvingSymlinksInPath().deletingLastPathComponent()
            let candidate = folder.appending(path: program)
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
        }
        throw CocoaError(.fileNoSuchFile, userInfo: [NSLocalizedDescriptionKey: "\(program): beside \(places)"])
    }
}
