import Foundation
import Subprocess

/// Runs one program of the build to its end, in the C locale, and collects its output.
enum BuildTool {
    /// The Debian package that brings each program, for the advice when a program is missing.
    private static let packages = [
        "apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "depmod": "kmod", "xz": "xz-utils", "lz4": "lz4",
        "zstd": "zstd", "gzip": "gzip", "mksquashfs": "squashfs-tools", "tar": "tar", "patch": "patch", "grep": "grep",
    ]

    /// Runs `tool` and returns its standard output.
    ///
    /// - Throws: ``ImageError``: `toolMissing`, `diskFull` when the tool reports a full disk, else `toolFailed` with
    ///   the last lines of its standard error.
    @discardableResult
    static func run(_ tool: String, _ arguments: [String], in directory: String? = nil) async throws -> String {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        let environment = Environment.inherit.updating(["PATH": path, "LC_ALL": "C", "TZ": "UTC"])
        guard isInstalled(tool, path: path) else {
            let package = packages[tool] ?? tool
            throw ImageError(.toolMissing, "\(tool) is not installed", mend: "apt-get install \(package)")
        }
        // apt-get download writes files into its current directory, which env(1) sets.
        let words = directory.map { ["-C", $0, tool] + arguments } ?? [tool] + arguments
        let result: ExecutionResult<Void, StringOutput<UTF8>, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("env"), arguments: Arguments(words), environment: environment,
                output: .string(limit: 8 << 20), error: .string(limit: 8 << 20))
        } catch {
            throw ImageError(.toolFailed, "\(tool) could not be run", cause: error)
        }
        guard result.terminationStatus.isSuccess else {
            try Task.checkCancellation()
            throw failure(tool, result.terminationStatus, result.standardError)
        }
        return result.standardOutput
    }

    /// Runs the program at `path`, and passes on every line of its standard error while it runs.
    ///
    /// It leads a process group. A cancellation ends the whole group, and so does an end of this process, when the
    /// program next writes a line.
    ///
    /// - Parameter environment: All variables that the program sees.
    /// - Throws: ``ImageError``: `diskFull` when the program reports a full disk, else `toolFailed` with the last lines
    ///   of its standard error; or `CancellationError`.
    static func follow(
        _ path: String, _ arguments: [String], environment: [String: String], in directory: String,
        line: @escaping @Sendable (String) -> Void
    ) async throws {
        let tool = (path as NSString).lastPathComponent
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(5))]
        let variables = Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })
        let result: ExecutionResult<[String], DiscardedOutput, SequenceOutput>
        do {
            result = try await Subprocess.run(
                .name("env"), arguments: Arguments(["-C", directory, path] + arguments),
                environment: .custom(variables), platformOptions: options, input: .none, output: .discarded,
                error: .sequence
            ) { execution in
                var last: [String] = []
                for try await text in execution.standardError.strings() {
                    let text = text.trimmingCharacters(in: .newlines)
                    line(text)
                    if last.count == 40 { last.removeFirst() }
                    last.append(text)
                }
                return last
            }
        } catch {
            try Task.checkCancellation()
            throw ImageError(.toolFailed, "\(tool) could not be run", cause: error)
        }
        try Task.checkCancellation()
        guard result.terminationStatus.isSuccess else {
            throw failure(tool, result.terminationStatus, result.closureResult.joined(separator: "\n"))
        }
    }

    private static func isInstalled(_ tool: String, path: String) -> Bool {
        path.split(separator: ":").contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)") }
    }

    private static func failure(_ tool: String, _ status: TerminationStatus, _ output: String) -> ImageError {
        let lines = output.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("W: ") }
        let tail = lines.suffix(4).joined(separator: "; ")
        let full = ["no space left on device", "disk quota exceeded", "file too large", "received signal 25"]
        if full.contains(where: output.lowercased().contains) {
            return ImageError(
                .diskFull, "no space left while \(tool) was running: \(tail)",
                mend: "free some space, run 'labrun image prune', or set XDG_CACHE_HOME to a larger disk")
        }
        return ImageError(.toolFailed, "\(tool) failed (\(status)): \(tail)")
    }
}
