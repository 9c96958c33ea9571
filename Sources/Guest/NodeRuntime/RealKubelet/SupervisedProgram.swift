import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// A program that is started again whenever it ends, as a service of a machine is.
final class SupervisedProgram: Sendable {
    /// How long it stays down.
    private static let pause = Duration.seconds(1)

    private let name: String
    private let command: [String]
    private let environment: [String]
    private let children: ChildProcesses
    private let events: @Sendable (NodeEvent) -> Void
    private let child = Mutex<ChildProcess?>(nil)

    init(
        _ name: String, _ command: [String], environment: [String], children: ChildProcesses,
        events: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.name = name
        self.command = command
        self.environment = environment
        self.children = children
        self.events = events
    }

    func start() {
        startThread("program") {
            while true {
                do {
                    try self.runOnce()
                } catch {
                    self.events(.log(source: self.name, line: "\(self.name) cannot be started: \(error)"))
                }
                let deadline = Deadline.after(Self.pause)
                while !deadline.hasPassed { poll(nil, 0, deadline.remainingMilliseconds) }
            }
        }
    }

    /// Asks it to end; it begins anew then.
    func restart() { child.withLock { $0 }?.signal(SIGTERM) }

    private func runOnce() throws {
        let output = try OutputPipe()
        let child = try children.spawn(
            command, environment: environment, output: output.writeEnd, error: output.writeEnd)
        self.child.withLock { $0 = child }
        output.closeWriteEnd()
        var lines = LineRelay(now: .now)
        func pass(_ bytes: ArraySlice<UInt8>) {
            for line in lines.receive(bytes, now: .now) { events(.log(source: name, line: line)) }
        }
        while child.exitStatus == nil {
            var watched = [child.endDescriptor, output.openReadEnd].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            poll(&watched, 2, -1)
            output.readAvailable(pass)
        }
        output.readAvailable(pass)
        for line in lines.finish(now: .now) { events(.log(source: name, line: line)) }
        events(.log(source: name, line: "\(name) ended: \(child.exitStatus.map { "\($0)" } ?? "unknown")"))
    }
}
