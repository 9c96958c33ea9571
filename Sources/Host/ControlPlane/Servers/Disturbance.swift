import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A server that is stopped for good, or again and again (SIGSTOP), until the disturbance ends.
///
/// The kernel goes on to accept connections and bytes for it meanwhile, as for a server without processor time.
final class Disturbance: Sendable {
    /// How long a slow server runs at a time. Long enough for a request to be answered, as short as a request notices.
    static let runningTime: Duration = .milliseconds(20)

    private let process: ServerProcess
    private let isOver = Mutex(false)

    /// - Parameter still: How long it stands still at a time; nil for all the time.
    /// - Throws: `SystemError` if the process has ended.
    init(_ process: ServerProcess, still: Duration?) throws(SystemError) {
        self.process = process
        try process.send(signal: SIGSTOP)
        if let still { Task { await alternate(still) } }
    }

    /// Lets the server run.
    func end() {
        isOver.withLock { isOver in
            isOver = true
            try? process.send(signal: SIGCONT)
        }
    }

    private func alternate(_ still: Duration) async {
        while true {
            try? await Task.sleep(for: still)
            guard send(SIGCONT) else { return }
            try? await Task.sleep(for: Self.runningTime)
            guard send(SIGSTOP) else { return }
        }
    }

    /// Sends a signal unless the disturbance is over or the process has ended. Nothing comes after the last SIGCONT.
    private func send(_ signal: Int32) -> Bool {
        isOver.withLock { isOver in
            guard !isOver else { return false }
            return (try? process.send(signal: signal)) != nil
        }
    }
}
