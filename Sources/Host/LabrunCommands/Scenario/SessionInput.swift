import Foundation
import LinuxKernel
import RunEvents
import Runner
import Synchronization

/// What the user asks for while scenarios run: Ctrl-C ends them in order, a second Ctrl-C at once, and Enter resumes a
/// pause. There is one for all scenarios of a command, since a process has only one place to which signals go.
final class SessionInput: Sendable {
    private struct State {
        var host: LabHostProcess?
        var interruptions = 0
    }
    private let state = Mutex(State())

    /// Whether the user asked for the end.
    var wasInterrupted: Bool { state.withLock { $0.interruptions > 0 } }

    /// - Parameter pauses: Whether Enter means something.
    init(pauses: Bool) {
        let signals = try? SignalStream.signals([SIGINT, SIGTERM])
        Task { [self] in
            guard let signals else { return }
            for await _ in signals { interrupt() }
        }
        guard pauses else { return }
        // The thread ends with the process, because a blocked read from a terminal cannot be cancelled.
        startThread("enter") { [self] in
            while readLine() != nil { Self.tell(state.withLock { $0.host }, .resume) }
        }
    }

    /// Passes what the user asks for to a lab host from now on. One that is followed after an interruption is stopped.
    func follow(_ host: LabHostProcess) {
        let isInterrupted = state.withLock { state in
            state.host = host
            return state.interruptions > 0
        }
        if isInterrupted { Self.tell(host, .stop) }
    }

    /// No run is going on. An interruption now ends the process, whose labs end with it.
    func unfollow() { state.withLock { $0.host = nil } }

    private func interrupt() {
        let (host, count) = state.withLock { state in
            state.interruptions += 1
            return (state.host, state.interruptions)
        }
        guard let host else { exit(Verdict.interrupted.exitCode) }
        if count == 1 {
            StandardError.write("labrun: interrupted, tearing down; once more to end at once")
            Self.tell(host, .stop)
        } else {
            host.kill()
        }
    }

    private static func tell(_ host: LabHostProcess?, _ command: RunCommand) {
        try? host?.send(Array("\(command.rawValue)\n".utf8))
    }
}
