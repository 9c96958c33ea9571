import Foundation
import LinuxKernel
import Runner
import Synchronization

/// What the user asks for during a run: Ctrl-C ends it in order, a second Ctrl-C at once, and Enter resumes a pause.
final class SessionInput: Sendable {
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let interruptions = Mutex(0)

    /// Whether the user asked for the end.
    var wasInterrupted: Bool { interruptions.withLock { $0 > 0 } }

    init(host: LabHostProcess, pauses: Bool) {
        let signals = try? SignalStream.signals([SIGINT, SIGTERM])
        let interrupt = Task { [self] in
            guard let signals else { return }
            for await _ in signals {
                let count = interruptions.withLock { count in
                    count += 1
                    return count
                }
                if count == 1 {
                    StandardError.write("labrun: interrupted, tearing down; once more to end at once")
                    try? host.send(Array("\(RunCommand.stop.rawValue)\n".utf8))
                } else {
                    host.kill()
                }
            }
        }
        tasks.withLock { $0.append(interrupt) }
        guard pauses else { return }
        // The thread ends with the process, because a blocked read from a terminal cannot be cancelled.
        startThread("enter") {
            while readLine() != nil { try? host.send(Array("\(RunCommand.resume.rawValue)\n".utf8)) }
        }
    }

    func end() {
        for task in tasks.withLock({ $0 }) { task.cancel() }
    }
}
