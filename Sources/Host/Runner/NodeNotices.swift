import Foundation
import Lab
import NodeProtocol
import RunEvents
import Synchronization

/// Turns what happens to nodes into events, and stores the agents' output as artifacts: of one run after the other.
final class NodeNotices: Sendable {
    /// Where a run's events and files go.
    private final class Destination: Sendable {
        let emitter: Emitter
        let directory: String
        let logs = Mutex<[String: FileHandle]>([:])

        init(emitter: Emitter, directory: String) {
            self.emitter = emitter
            self.directory = directory
        }
    }

    private struct State {
        var destination: Destination?
        /// What came between two runs.
        var waiting: [(node: String, notice: NodeNotice)] = []
    }

    /// The most notices that wait for the next run.
    private static let kept = 1000
    private let state = Mutex(State())

    /// Begins a run. It is given what came since the one before was ended.
    func begin(emitter: Emitter, directory: String) {
        let waiting = state.withLock { state in
            state.destination = Destination(emitter: emitter, directory: directory)
            defer { state.waiting = [] }
            return state.waiting
        }
        for (node, notice) in waiting { take(node, notice) }
    }

    /// Ends a run and closes its files.
    func pause() { state.withLock { $0.destination = nil } }

    func take(_ node: String, _ notice: NodeNotice) {
        let destination = state.withLock { state in
            if state.destination == nil, state.waiting.count < Self.kept { state.waiting.append((node, notice)) }
            return state.destination
        }
        if let destination { take(node, notice, to: destination) }
    }

    private func take(_ node: String, _ notice: NodeNotice, to destination: Destination) {
        func progress(_ node: String, _ state: String, _ detail: String) {
            let emitter = destination.emitter
            emitter.emit(.node(NodeProgress(node: node, state: state, detail: detail, seconds: emitter.elapsed)))
        }
        switch notice {
        case .power(let event):
            let state: String
            switch event.power {
            case .running: state = "booting"
            case .paused: state = "paused"
            case .stopped, .off: state = "stopped"
            }
            progress(node, state, event.reason)
        case .runtime(let hello):
            progress(node, "runtime", "kernel \(hello.kernel), \(hello.uptimeMillis) ms after its start")
        case .agent(let agent):
            progress(node, agent.running ? "agent" : "agent-ended", agent.ended ?? "start \(agent.starts)")
        case .ready: progress(node, "ready", "")
        case .container(let container):
            progress(node, container.running ? "container" : "container-ended", Self.words(container))
        case .log(let source, let line): append(line, to: "\(source)-\(node).log", of: destination)
        }
    }

    static func words(_ container: ContainerState) -> String {
        guard !container.running else {
            return container.key + (container.restarts > 0 ? ", restart \(container.restarts)" : "")
        }
        let again =
            switch container.restartMillis {
            case nil: ""
            case 0?: ", starts again"
            case .some(let time): ", back-off \(time / 1000) s"
            }
        let last = container.lastLines.last.map { ": \($0.prefix(200))" } ?? ""
        return "\(container.key) ended with \(container.ended ?? "nothing known")\(again)\(last)"
    }

    /// Appends a line to a file. Untrusted text is stored as it came, and is escaped where a report shows it.
    private func append(_ line: String, to name: String, of destination: Destination) {
        let safe = String(name.map { $0.isLetter || $0.isNumber || "-._".contains($0) ? $0 : "_" })
        destination.logs.withLock { logs in
            if logs[safe] == nil {
                let path = "\(destination.directory)/\(safe)"
                _ = FileManager.default.createFile(atPath: path, contents: nil)
                logs[safe] = FileHandle(forWritingAtPath: path)
            }
            do {
                guard let log = logs[safe] else { throw CocoaError(.fileNoSuchFile) }
                try log.write(contentsOf: Data((line + "\n").utf8))
            } catch {
                // The report keeps only one copy of a warning.
                destination.emitter.log(
                    .warning, "artifacts", "\(safe) could not be written: \(error.localizedDescription)")
            }
        }
    }
}
