import Foundation
import LinuxKernel
import Runner
import Synchronization

/// What the engineer says while a run goes on: Ctrl-C ends it in order, a second one at once; Enter resumes a pause.
final class SessionInput: Sendable {
    private let tasks = Mutex<[Task<Void, Never>]>([])

    init(host: LabHostProcess, pauses: Bool) {
        let signals = try? SignalStream.signals([SIGINT, SIGTERM])
        let interrupt = Task {
            guard let signals else { return }
            var count = 0
            for await _ in signals {
                count += 1
                if count == 1 {
                    FileOutput.standardError.write("labrun: interrupted, tearing down; once more to end at once")
                    try? host.send(Array("\(RunCommand.stop.rawValue)\n".utf8))
                } else {
                    host.kill()
                }
            }
        }
        tasks.withLock { $0.append(interrupt) }
        guard pauses else { return }
        // Ends with the process: a blocked read of a terminal cannot be cancelled.
        startThread("enter") {
            while readLine() != nil { try? host.send(Array("\(RunCommand.resume.rawValue)\n".utf8)) }
        }
    }

    func end() {
        for task in tasks.withLock({ $0 }) { task.cancel() }
    }
}
