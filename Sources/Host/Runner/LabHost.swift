import Foundation
import LinuxKernel
import RunEvents
import Synchronization

/// The lab host: PID 2 of a lab's namespaces. It reads a request, boots a lab, runs the scenario in it, and writes
/// events. A lab that the run handed on serves the next request; otherwise the lab host ends. PID 1 and the kernel then
/// remove the rest.
public enum LabHost {
    /// Runs and never returns. The exit code is that of the last run's verdict.
    public static func run(_ channels: LabHostChannels) async -> Never {
        let output = EventPipe(channels)
        let desk = CommandDesk(
            channels.commandLines(), signals: try? SignalStream.signals([SIGINT, SIGTERM]))
        var lab: HostedLab?
        var verdict = Verdict.infraError
        for await line in desk.requests {
            let emitter = Emitter { output.write($0) }
            guard let request = try? JSONDecoder().decode(RunRequest.self, from: Data(line)) else {
                emitter.emit(
                    .runFinished(
                        RunResult(verdict: .infraError, message: "no request arrived", durationSeconds: 0)))
                verdict = .infraError
                break
            }
            let run = LabHostRun(request: request, directory: channels.directory, emitter: emitter, lab: lab)
            let task = Task { await run.run() }
            desk.follow(task, run.gate)
            let ended = await task.value
            desk.unfollow()
            lab = ended.lab
            guard let result = ended.result else { break }
            emitter.emit(.runFinished(result))
            verdict = result.verdict
            if lab == nil { break }
        }
        if let lab { await lab.tearDown { _ in } }
        output.finish()
        exit(verdict.exitCode)
    }
}

/// Sorts what the outer process sends: requests, which are carried out one after the other, and commands, which concern
/// the run that is going on. Signals count as the command to stop.
final class CommandDesk: Sendable {
    /// The requests' lines. The stream ends with the command `end`, and when the lab is to stop between two runs.
    let requests: AsyncStream<[UInt8]>
    private let sink: AsyncStream<[UInt8]>.Continuation
    private let state = Mutex(State())

    private struct State {
        var run: (stop: @Sendable () -> Void, gate: Gate)?
        /// Whether the command to stop has come, perhaps before the run that it means.
        var isStopped = false
    }

    /// - Parameters:
    ///   - lines: What the outer process sends.
    ///   - signals: The signals that this process gets.
    init(_ lines: AsyncStream<[UInt8]>, signals: AsyncStream<Int32>?) {
        (requests, sink) = AsyncStream.makeStream(of: [UInt8].self)
        Task { [self] in
            guard let signals else { return }
            for await _ in signals { obey(.stop) }
        }
        Task { [self] in
            for await line in lines {
                if let command = RunCommand(rawValue: String(decoding: line, as: UTF8.self)) {
                    obey(command)
                } else {
                    sink.yield(line)
                }
            }
            sink.finish()
        }
    }

    /// Gives commands to a run from now on.
    func follow<Result: Sendable>(_ task: Task<Result, Never>, _ gate: Gate) {
        let isStopped = state.withLock { state in
            state.run = ({ task.cancel() }, gate)
            return state.isStopped
        }
        if isStopped { task.cancel() }
    }

    func unfollow() { state.withLock { $0.run = nil } }

    private func obey(_ command: RunCommand) {
        let run = state.withLock { state in
            if command == .stop { state.isStopped = true }
            return state.run
        }
        switch command {
        case .stop:
            run?.stop()
            run?.gate.open()
            // No further request is carried out.
            sink.finish()
        case .resume: run?.gate.open()
        case .end: sink.finish()
        }
    }
}
