import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The log of a server, a file of bounded size, and its last lines in memory. It goes on when the server is started
/// again.
///
/// A file that is full is renamed to `NAME.1`, in place of an older one, and a new one is begun: the newest is kept.
final class ServerLog: Sendable {
    private struct State {
        var file: Int32 = -1
        var size = 0
        var lines: [String] = []
        /// A line whose end has not come yet.
        var open: [UInt8] = []
        /// The first line that says why the process ends, which may be followed by stacks or a list of all flags.
        var reason: String?
        /// Why nothing more is written to the file.
        var failure: SystemError?
    }

    let path: String
    private let limit: Int
    private let state = Mutex(State())

    static let keptLines = 20
    static let lineLimit = 1_000

    /// - Parameter limit: Octets of a file.
    init(path: String, limit: Int = 16 << 20) {
        self.path = path
        self.limit = limit
    }

    deinit { state.withLock { if $0.file >= 0 { close($0.file) } } }

    func append(_ bytes: [UInt8]) {
        state.withLock { state in
            keepLines(bytes, &state)
            guard state.failure == nil else { return }
            do throws(SystemError) { try write(bytes, &state) } catch { state.failure = error }
        }
    }

    /// The last lines that were written, the oldest first, at most 20. If one before them says why the process ends, it
    /// is the first.
    var lastLines: [String] {
        state.withLock { state in
            let lines = state.lines + (state.open.isEmpty ? [] : [String(decoding: state.open, as: UTF8.self)])
            guard let reason = state.reason, !lines.contains(reason) else { return lines.suffix(Self.keptLines) }
            return [reason] + lines.suffix(Self.keptLines - 1)
        }
    }

    /// Forgets the lines so far: those of a process that ended before.
    func beginProcess() { state.withLock { ($0.lines, $0.open, $0.reason) = ([], [], nil) } }

    /// Whether a line says why its process ends: of klog (`F1129 …`), of etcd's logs, of Go's runtime, or of a program
    /// that does not know its flags.
    static func isReason(_ line: String) -> Bool {
        if ["Error: ", "panic: ", "fatal error: ", "flag provided but not defined"].contains(where: line.hasPrefix) {
            return true
        }
        let isKlog = line.first == "F" && line.dropFirst().prefix(4).count { ("0"..."9").contains($0) } == 4
        return isKlog || line.contains(" C | ") || line.contains("\"level\":\"fatal\"")
    }

    private func write(_ bytes: [UInt8], _ state: inout State) throws(SystemError) {
        if state.file >= 0, state.size + bytes.count > limit {
            close(state.file)
            state.file = -1
            try check("rename", path) { rename(path, path + ".1") }
        }
        if state.file < 0 {
            state.file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o644)
                .release()
            state.size = max(0, Int(lseek(state.file, 0, SEEK_END)))
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let file = state.file
            let count = try check("write", path) {
                rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            }
            rest = rest.dropFirst(count)
            state.size += count
        }
    }

    private func keepLines(_ bytes: [UInt8], _ state: inout State) {
        for part in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if part.offset > 0 {
                let line = String(decoding: state.open, as: UTF8.self)
                state.lines.append(line)
                if state.reason == nil, Self.isReason(line) { state.reason = line }
                state.open = []
            }
            state.open += part.element.prefix(Self.lineLimit - state.open.count)
        }
        if state.lines.count > Self.keptLines { state.lines.removeFirst(state.lines.count - Self.keptLines) }
    }
}
