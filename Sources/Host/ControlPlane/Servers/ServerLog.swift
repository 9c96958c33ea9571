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

    /// The last lines that were written, the oldest first.
    var lastLines: [String] {
        state.withLock { state in
            state.lines + (state.open.isEmpty ? [] : [String(decoding: state.open, as: UTF8.self)])
        }
    }

    /// Forgets the lines so far: those of a process that ended before.
    func beginProcess() { state.withLock { ($0.lines, $0.open) = ([], []) } }

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
                state.lines.append(String(decoding: state.open, as: UTF8.self))
                state.open = []
            }
            state.open += part.element.prefix(Self.lineLimit - state.open.count)
        }
        if state.lines.count > Self.keptLines { state.lines.removeFirst(state.lines.count - Self.keptLines) }
    }
}
