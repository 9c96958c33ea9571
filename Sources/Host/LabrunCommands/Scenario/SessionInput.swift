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
        /// Cancels what a run needs before it begins, such as the build of an image.
        var cancel: (@Sendable () -> Void)?
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

    /// No run is going on. An interruption now keeps the next one from beginning.
    func unfollow() { state.withLock { $0.host = nil } }

    /// Does something that a run needs before it begins. An interruption cancels it.
    func preparing<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let task = Task { try await body() }
        let isInterrupted = state.withLock { state in
            state.cancel = { task.cancel() }
            return state.interruptions > 0
        }
        if isInterrupted { task.cancel() }
        defer { state.withLock { $0.cancel = nil } }
        return try await task.value
    }

    private func interrupt() {
        let (host, cancel, count) = state.withLock { state in
            state.interruptions += 1
            return (state.host, state.cancel, state.interruptions)
        }
        guard count == 1 else {
            guard let host else { exit(Verdict.interrupted.exitCode) }
            return host.kill()
        }
        StandardError.write("labrun: interrupted, tearing down; once more to end at once")
        cancel?()
        Self.tell(host, .stop)
    }

    private static func tell(_ host: LabHostProcess?, _ command: RunCommand) {
        try? host?.send(Array("\(command.rawValue)\n".utf8))
    }
}
