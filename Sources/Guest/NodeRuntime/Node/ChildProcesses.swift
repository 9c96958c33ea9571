import CNodeShim
import Glibc
import LinuxKernel
import Synchronization

/// A started program. `ChildProcesses` reaps it; from then on `endDescriptor` is readable.
final class ChildProcess: Sendable {
    let processIdentifier: Int32
    /// Readable once the process has ended; owned by this value.
    let endDescriptor: Int32
    private let status = Mutex<ExitStatus?>(nil)

    fileprivate init(processIdentifier: Int32) {
        self.processIdentifier = processIdentifier
        endDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    }

    deinit { close(endDescriptor) }

    /// How it ended; nil while it runs.
    var exitStatus: ExitStatus? { status.withLock { $0 } }

    func waitForEnd(until deadline: Deadline) -> ExitStatus? {
        _ = try? waitUntilReady(endDescriptor, events: Int16(POLLIN), until: deadline)
        return exitStatus
    }

    /// Sends a signal unless the process has ended. The lock keeps the process from being reaped meanwhile, so that its
    /// number cannot mean another process.
    func signal(_ number: Int32) {
        status.withLock { if $0 == nil { kill(processIdentifier, number) } }
    }

    /// Kills whatever is left of its process group.
    func killGroup() { kill(-processIdentifier, SIGKILL) }

    fileprivate func ended(_ waitStatus: Int32) {
        status.withLock { $0 = ExitStatus(waitStatus: waitStatus) }
        eventfd_write(endDescriptor, 1)
    }
}

/// Starts and reaps children. As PID 1 it reaps orphans, too, so that they do not stay as zombies; in tests, where it
/// is not PID 1, it reaps only its own.
final class ChildProcesses: Sendable {
    private let running = Mutex<[Int32: ChildProcess]>([:])
    private let spawned = eventfd(0, Int32(EFD_CLOEXEC))
    private let reapsAll: Bool

    init(reapsAll: Bool) {
        self.reapsAll = reapsAll
        if reapsAll { startThread("reaper") { self.reap() } }
    }

    /// Starts a program in a process group of its own.
    /// - Parameters:
    ///   - arguments: The command line. The first argument is the absolute path of the program.
    ///   - input, output, error: Descriptors, which the caller still has to close; -1 is /dev/null.
    func spawn(
        _ arguments: [String], environment: [String], input: Int32 = -1, output: Int32 = -1, error: Int32 = -1
    ) throws(SystemError) -> ChildProcess {
        guard let path = arguments.first else { throw SystemError(code: EINVAL, call: "spawn", subject: "no program") }
        let (child, failure) = running.withLock { running -> (ChildProcess?, Int32) in
            var pid: pid_t = 0
            let code = withCStrings(arguments) { argv in
                withCStrings(environment) { envp in node_spawn(path, argv, envp, input, output, error, &pid) }
            }
            guard code == 0 else { return (nil, code) }
            let child = ChildProcess(processIdentifier: pid)
            running[pid] = child
            return (child, 0)
        }
        guard let child else { throw SystemError(code: failure, call: "posix_spawn", subject: path) }
        if reapsAll {
            eventfd_write(spawned, 1)
        } else {
            startThread("child") { self.reapOne(child) }
        }
        return child
    }

    private func reapOne(_ child: ChildProcess) {
        var status: Int32 = 0
        while waitpid(child.processIdentifier, &status, 0) < 0 && errno == EINTR {}
        running.withLock { $0[child.processIdentifier] = nil }
        child.ended(status)
    }

    private func reap() {
        while true {
            var status: Int32 = 0
            let pid = waitpid(-1, &status, 0)
            if pid > 0 {
                running.withLock { $0.removeValue(forKey: pid) }?.ended(status)
            } else if errno == ECHILD {
                var count: eventfd_t = 0
                eventfd_read(spawned, &count)
            }
        }
    }
}

/// Runs the body with a NULL-terminated array of C strings.
func withCStrings<Value>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Value
) -> Value {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
        // A buffer of at least one element has an address.
        buffer.baseAddress.map { body(UnsafePointer($0)) } ?? body(UnsafePointer(bitPattern: 8).unsafelyUnwrapped)
    }
}
