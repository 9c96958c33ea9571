import Foundation

/// The built `labrun`, run as its users run it. `LABRUN` names it; `make test` sets that.
public enum BuiltLabrun {
    /// There is no built `labrun`. The test then fails and is not skipped, because a skipped test would look green.
    public struct Missing: Error, CustomStringConvertible {
        public let description: String
    }

    public struct Ended: Sendable {
        /// The exit status, or 128 and the number of the signal that ended the program.
        public let status: Int32
        public let output: String
        public let errors: String
    }

    public static func run(_ arguments: [String]) async throws -> Ended {
        let process = Process()
        process.executableURL = URL(filePath: try path())
        process.arguments = arguments
        let folder = FileManager.default.temporaryDirectory.appending(path: "labrun-run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = try ["output", "errors"].map { name in
            let file = folder.appending(path: name)
            try Data().write(to: file)
            return file
        }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        let status = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { ended in
                let signalled = ended.terminationReason == .uncaughtSignal
                continuation.resume(returning: ended.terminationStatus + (signalled ? 128 : 0))
            }
            do { try process.run() } catch {
                process.terminationHandler = nil
                continuation.resume(throwing: error)
            }
        }
        return Ended(
            status: status, output: try String(contentsOf: files[0], encoding: .utf8),
            errors: try String(contentsOf: files[1], encoding: .utf8))
    }

    /// The checkout that these tests were built from.
    public static var root: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    private static func path() throws -> String {
        let named = ProcessInfo.processInfo.environment["LABRUN"]
        let path = named ?? root.appending(path: ".build/release/labrun").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Missing(description: "no labrun at \(path); run `make build` first")
        }
        return path
    }
}
