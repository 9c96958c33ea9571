import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// How a process ended.
public enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
    /// It called exit with this code.
    case exited(Int32)
    /// A signal ended it.
    case signalled(Int32)

    /// From the status that wait(2) gives.
    public init(waitStatus: Int32) {
        self =
            linux_wifexited(waitStatus) != 0
            ? .exited(linux_wexitstatus(waitStatus)) : .signalled(linux_wtermsig(waitStatus))
    }

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let number): "signal \(number)"
        }
    }
}

/// A process by pidfd. Unlike a process number, it can never mean another process later.
public struct ProcessHandle: ~Copyable, Sendable {
    /// The process number, for messages and /proc.
    public let processIdentifier: Int32
    private let descriptor: FileDescriptor

    /// pidfd_open(2); throws `ESRCH` when there is no such process.
    public init(processIdentifier: Int32) throws(SystemError) {
        self.processIdentifier = processIdentifier
        descriptor = FileDescriptor(
            owning: try check("pidfd_open", "\(processIdentifier)") { linux_pidfd_open(processIdentifier) })
    }

    /// The pidfd: readable once the process has ended.
    public var rawDescriptor: Int32 { descriptor.rawValue }

    /// pidfd_send_signal(2); throws `ESRCH` when the process has ended.
    public borrowing func send(signal: Int32) throws(SystemError) {
        let number = descriptor.rawValue
        let subject = "\(processIdentifier)"
        try check("pidfd_send_signal", subject) { linux_pidfd_send_signal(number, signal) }
    }

    /// Says whether the process has ended before the deadline. It works for processes that are not children, too.
    public borrowing func hasEnded(by deadline: Deadline) throws(SystemError) -> Bool {
        try waitUntilReady(descriptor.rawValue, events: Int16(POLLIN), until: deadline)
    }

    /// Reaps a child and returns how it ended. It blocks until then.
    public borrowing func wait() throws(SystemError) -> ExitStatus {
        var code: Int32 = 0
        var status: Int32 = 0
        let number = descriptor.rawValue
        let subject = "\(processIdentifier)"
        try check("waitid", subject) { linux_pidfd_wait(number, 0, &code, &status) }
        return code == CLD_EXITED ? .exited(status) : .signalled(status)
    }

    /// Reaps a child if it has ended; `nil` while it runs.
    public borrowing func waitWithoutBlocking() throws(SystemError) -> ExitStatus? {
        var code: Int32 = 0
        var status: Int32 = 0
        let number = descriptor.rawValue
        let subject = "\(processIdentifier)"
        try check("waitid", subject) { linux_pidfd_wait(number, 1, &code, &status) }
        guard code != 0 else { return nil }
        return code == CLD_EXITED ? .exited(status) : .signalled(status)
    }
}
