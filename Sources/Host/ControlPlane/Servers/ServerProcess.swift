import Files
import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A server that runs, or has run: its output goes to its log, and its end is told once.
final class ServerProcess: Sendable {
    let server: ControlPlaneServer
    private let program: SpawnedProgram
    private struct State {
        var end: ControlPlaneNotice?
        var isExpectedToEnd = false
    }
    private let state = Mutex(State())

    /// Starts a server.
    ///
    /// - Parameter ended: Called once on a thread of the server's own, after its last output is in the log.
    init(
        _ server: ControlPlaneServer, path: String, arguments: [String], environment: [String: String],
        namespacePath: String?, log: ServerLog, ended: @escaping @Sendable (ControlPlaneNotice) -> Void
    ) throws {
        self.server = server
        log.beginProcess()
        // etcd allocates two files of 64 MB for its log ahead, which on a tmpfs is memory. It then makes sparse ones.
        program = try SpawnedProgram.start(
            path, arguments, name: server.isOwn ? server.rawValue : nil, environment: environment,
            namespacePath: namespacePath, isSparing: server == .etcd)
        // The process itself is not waited for on a pooled thread, because that blocks.
        startThread("cp-\(server.rawValue.suffix(12))") { [self] in
            let status = follow(into: log)
            let wasExpected = state.withLock { $0.isExpectedToEnd }
            let end = ControlPlaneNotice(
                server: server, status: status, lastLines: log.lastLines, wasExpected: wasExpected)
            // Who sees that it has ended finds it told.
            ended(end)
            state.withLock { $0.end = end }
        }
    }

    var processIdentifier: Int32 { program.handle.processIdentifier }

    /// How it ended; nil while it runs.
    var end: ControlPlaneNotice? { state.withLock { $0.end } }

    /// Waits for the end, and until it is told.
    func hasEnded(by deadline: Deadline) async -> Bool {
        while end == nil, !deadline.hasPassed { try? await Task.sleep(for: .milliseconds(5)) }
        return end != nil
    }

    /// Waits until no thread of the server runs any more after SIGSTOP. A stop begins when the first thread has taken
    /// the signal, which needs a processor; until then the others go on, and answer.
    func standsStill(by deadline: Deadline) async -> Bool {
        while !isStopped, !deadline.hasPassed { try? await Task.sleep(for: .milliseconds(1)) }
        return isStopped
    }

    /// Whether every thread is stopped (state `T`, proc_pid_stat(5)).
    var isStopped: Bool {
        let folder = "/proc/\(processIdentifier)/task"
        guard let threads = try? Directories.names(in: folder), !threads.isEmpty else { return false }
        return threads.allSatisfy { thread in
            // The program's name, in parentheses, may have anything in it.
            guard let file = try? FileDescriptor.open("\(folder)/\(thread)/stat", O_RDONLY),
                let stat = try? file.read(upTo: 4096), let end = stat.lastIndex(of: UInt8(ascii: ")"))
            else { return false }
            return stat[end...].dropFirst(2).first == UInt8(ascii: "T")
        }
    }

    /// Says that the end of the server will be no failure.
    func expectEnd() { state.withLock { $0.isExpectedToEnd = true } }

    /// - Throws: `ESRCH` when it has ended.
    func send(signal: Int32) throws(SystemError) { try program.handle.send(signal: signal) }

    /// Copies the output until the process has ended, and returns how it did.
    private func follow(into log: ServerLog) -> ExitStatus {
        while true {
            var watched = [
                pollfd(fd: program.output.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: program.handle.rawDescriptor, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&watched, 2, -1) > 0 else { continue }
            let hasEnded = watched[1].revents != 0
            let isAtEnd = copy(into: log)
            // A closed pipe would be ready for ever.
            if hasEnded || isAtEnd { break }
        }
        let status = try? program.handle.wait()
        _ = copy(into: log)
        return status ?? .signalled(SIGKILL)
    }

    /// Copies what is there. Returns whether it is the end.
    private func copy(into log: ServerLog) -> Bool {
        while let bytes = try? program.output.read() {
            if bytes.isEmpty { return true }
            log.append(bytes)
        }
        return false
    }
}
