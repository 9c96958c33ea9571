import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// A lab host, seen from the outer labrun that started it.
///
/// It holds the lifeline: when the outer process dies for whatever reason, the kernel closes the lifeline and the lab's
/// PID 1 ends everything. This is a class because its descriptors are used from several tasks until the last one is
/// done.
public final class LabHostProcess: Sendable {
    /// The process number of the waiting process that was started. It ends exactly as the lab host does.
    public let processIdentifier: Int32
    private let process: ProcessHandle
    private let commands: FileDescriptor
    private let events: FileDescriptor
    private let lifeline: Lifeline

    private init(
        process: consuming ProcessHandle, commands: consuming FileDescriptor, events: consuming FileDescriptor,
        lifeline: consuming FileDescriptor
    ) {
        processIdentifier = process.processIdentifier
        self.process = process
        self.commands = commands
        self.events = events
        self.lifeline = Lifeline(lifeline)
    }

    /// Starts `executable` as a lab host and waits until it is inside its namespaces. Blocks some 20 ms.
    ///
    /// - Parameters:
    ///   - arguments: given to the lab host as `LabHostChannels.arguments`.
    ///   - executable: a program that calls `LabNamespace.enterIfAsked` first; this one by default.
    ///   - deadline: for the entry alone.
    public static func spawn(
        arguments: [String], executable: String = "/proc/self/exe", deadline: Deadline = .after(.seconds(10))
    ) throws -> LabHostProcess {
        let directory = try LabNamespace.prepareMountPoint()
        let commands = try Pipe()
        let events = try Pipe()
        let lifeline = try Pipe()
        let report = try Pipe()
        let pid = try spawnChild(
            executable, ["labrun", LabNamespace.argument, directory] + arguments,
            descriptors: [
                (commands.readEnd.rawValue, LabHostDescriptor.commands),
                (events.writeEnd.rawValue, LabHostDescriptor.events),
                (lifeline.readEnd.rawValue, LabHostDescriptor.lifeline),
                (report.writeEnd.rawValue, LabHostDescriptor.report),
            ])
        let process = try ProcessHandle(processIdentifier: pid)
        // Our copies of the child's ends must be closed, or no end of file would ever be seen.
        let reportEnd = report.takeReadEnd()
        let host = LabHostProcess(
            process: process, commands: commands.takeWriteEnd(), events: events.takeReadEnd(),
            lifeline: lifeline.takeWriteEnd())
        do throws(LabEntryError) {
            try awaitEntry(reportEnd, until: deadline)
        } catch {
            host.kill()
            _ = try? host.process.wait()
            throw error
        }
        return host
    }

    /// Writes to the command pipe. It blocks while the pipe is full. Throws `EPIPE` if the lab host is gone (ignore
    /// SIGPIPE).
    public func send(_ bytes: [UInt8]) throws(SystemError) {
        try commands.writeAll(bytes)
    }

    /// The read end of the event pipe, for those who poll it themselves. Do not close it.
    public var eventDescriptor: Int32 { events.rawValue }

    /// Yields every line that the lab host writes to its event pipe, without the line feed. A last line without one is
    /// yielded, too. The stream ends when the last holder of the pipe is gone. Call it only once.
    public func eventLines() -> AsyncStream<[UInt8]> {
        lineStream("lab events", of: events.rawValue, keeping: self)
    }

    /// Asks the lab host to end in order, with SIGTERM.
    public func terminate() {
        try? process.send(signal: SIGTERM)
    }

    /// Passes a signal to the lab host: SIGINT and SIGTERM only.
    public func forward(signal: Int32) {
        try? process.send(signal: signal)
    }

    /// Ends the lab at once by closing the lifeline. The kernel then removes everything in it.
    public func kill() {
        lifeline.hangUp()
    }

    /// Says whether it has ended before the deadline. It does not reap it.
    public func hasEnded(by deadline: Deadline) -> Bool {
        (try? process.hasEnded(by: deadline)) ?? true
    }

    /// Waits for the end and returns how the lab host (PID 2 inside) ended. Call it only once.
    public func wait() async throws -> ExitStatus {
        try await onOwnThread("lab wait") { [self] in try process.wait() }
    }
}

/// The write end whose closing ends the lab. It can be closed early, exactly once, from any thread.
private final class Lifeline: @unchecked Sendable {
    // This is unchecked because `lock` guards the only mutable state.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var number: Int32

    init(_ descriptor: consuming FileDescriptor) {
        pthread_mutex_init(lock, nil)
        number = descriptor.release()
    }

    func hangUp() {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        if number != -1 { close(number) }
        number = -1
    }

    deinit {
        hangUp()
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }
}

extension Pipe {
    /// Keeps the read end and closes the write end.
    public consuming func takeReadEnd() -> FileDescriptor { readEnd }
    /// Keeps the write end and closes the read end.
    public consuming func takeWriteEnd() -> FileDescriptor { writeEnd }
}

private func awaitEntry(_ report: borrowing FileDescriptor, until deadline: Deadline) throws(LabEntryError) {
    guard (try? waitUntilReady(report.rawValue, events: Int16(POLLIN), until: deadline)) == true else {
        throw LabEntryError(stage: .silent, code: ETIMEDOUT, mend: "")
    }
    let size = MemoryLayout<lab_entry_report>.size
    guard let bytes = try? report.read(upTo: size), bytes.count == size else {
        throw LabEntryError(stage: .silent, code: 0, mend: "see its messages above")
    }
    let answer = bytes.withUnsafeBytes { $0.loadUnaligned(as: lab_entry_report.self) }
    guard answer.stage != 0 else { return }
    let stage = LabEntryError.Stage(rawValue: answer.stage) ?? .silent
    throw LabEntryError(
        stage: stage, code: answer.error, mend: UserNamespaceSettings.read().mend(stage: stage, code: answer.error))
}

/// Calls posix_spawn with the given descriptors and 0, 1, 2. All our other descriptors are O_CLOEXEC.
private func spawnChild(
    _ executable: String, _ arguments: [String], descriptors: [(ours: Int32, theirs: Int32)]
) throws(SystemError) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // One of our numbers may be one of the target numbers, so ours are moved out of the way first.
    var moved: [Int32] = []
    defer { moved.forEach { close($0) } }
    for descriptor in descriptors {
        let number = try check("fcntl", "F_DUPFD_CLOEXEC") { linux_duplicate_above(descriptor.ours, 16) }
        moved.append(number)
        posix_spawn_file_actions_adddup2(&actions, number, descriptor.theirs)
    }
    var words = arguments.map { (word: String) in strdup(word) }
    words.append(nil)
    defer { words.forEach { free($0) } }
    var pid: pid_t = 0
    let result = posix_spawn(&pid, executable, &actions, nil, &words, environ)
    guard result == 0 else { throw SystemError(code: result, call: "posix_spawn", subject: executable) }
    return pid
}
