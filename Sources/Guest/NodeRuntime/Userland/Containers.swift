#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// The programs of a pod: started, their output passed on, started again as the policy says, and killed with the pod.
final class Containers: Sendable {
    /// The time to wait before a restart, as a kubelet's: none before the first one, then 10 s, which doubles up to 5
    /// min. After a run of 10 min it begins anew.
    static func backOff(restarts: Int) -> Duration {
        restarts == 0 ? .zero : min(.seconds(10) * (1 << min(restarts - 1, 5)), .seconds(300))
    }
    private static let forgiven = Duration.seconds(600)
    /// How many bytes of a container's output are passed on. The rest is read and dropped.
    static let outputLimit = 1 << 20

    private let pod: PodReference
    private let spec: PodSpec
    private let children: ChildProcesses
    private let events: @Sendable (NodeEvent) -> Void
    let root: PodRoot
    let group: PodControlGroup
    /// Readable once the pod is to end.
    private let ending = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    private let supervised = Mutex(0)
    private let states = Mutex<[String: ContainerState]>([:])

    /// Makes the pod's root and control group. Nothing is started yet.
    init(
        _ spec: PodSpec, address: String, children: ChildProcesses, events: @escaping @Sendable (NodeEvent) -> Void
    ) throws {
        pod = PodReference(namespace: spec.namespace, name: spec.name)
        self.spec = spec
        self.children = children
        self.events = events
        root = PodRoot(pod)
        group = PodControlGroup(pod)
        do {
            try root.make(spec, address: address)
            try group.make()
        } catch {
            root.remove()
            throw error
        }
    }

    deinit { close(ending) }

    func start() {
        for container in spec.containers {
            supervised.withLock { $0 += 1 }
            startThread("container") {
                self.supervise(container)
                self.supervised.withLock { $0 -= 1 }
            }
        }
    }

    var current: [ContainerState] { states.withLock { $0.values.sorted { $0.name < $1.name } } }

    /// Kills everything and removes root and control group.
    func end() {
        eventfd_write(ending, 1)
        let deadline = Deadline.after(.seconds(10))
        repeat {
            _ = group.kill(until: deadline)
            poll(nil, 0, 1)
        } while supervised.withLock({ $0 }) > 0 && !deadline.hasPassed
        _ = group.kill(until: deadline)
        group.remove()
        root.remove()
    }

    /// The entry that runs a program in the pod.
    func entry(_ arguments: [String], environment: [String] = [], input: String = "") -> ContainerEntry {
        ContainerEntry(
            root: root.path, networkNamespace: Pods.namespacePath(pod), controlGroup: group.path, hostname: spec.name,
            sharesRun: false, arguments: arguments, environment: NodeEnvironment.variables + environment, input: input)
    }

    private var isEnding: Bool {
        var watched = pollfd(fd: ending, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, 0) > 0
    }

    private func supervise(_ container: ContainerSpec) {
        var restarts = 0
        var failures = 0
        while !isEnding {
            let started = MonotonicTime.now
            let (status, lines) = run(container, restarts: restarts)
            if MonotonicTime.now.since(started) > Self.forgiven { failures = 0 }
            let again =
                switch spec.restartPolicy {
                case .always: true
                case .onFailure: status != "exit 0"
                case .never: false
                }
            guard again, !isEnding else { return note(container, ended: status, lines, restarts: restarts) }
            let wait = Self.backOff(restarts: failures)
            note(container, ended: status, lines, restarts: restarts, restart: wait)
            var watched = pollfd(fd: ending, events: Int16(POLLIN), revents: 0)
            if wait > .zero, poll(&watched, 1, Int32(wait.components.seconds * 1000)) > 0 { return }
            restarts += 1
            failures += 1
        }
    }

    /// Runs the container's program once and answers how it ended and its last lines.
    private func run(_ container: ContainerSpec, restarts: Int) -> (ended: String, lines: [String]) {
        do {
            let output = try OutputPipe()
            let given = try memoryFile(
                Array(try JSONEncoder().encode(entry(container.command, environment: container.environment))))
            let child = try children.spawn(
                [ContainerEntry.program], environment: NodeEnvironment.variables, input: given.rawValue,
                output: output.writeEnd, error: output.writeEnd)
            output.closeWriteEnd()
            note(container, running: true, restarts: restarts)
            return relay(child, output, container)
        } catch {
            return ("\(error)", [])
        }
    }

    private func relay(
        _ child: ChildProcess, _ output: OutputPipe, _ container: ContainerSpec
    ) -> (ended: String, lines: [String]) {
        let source = "pod-\(pod.namespace)_\(pod.name)-\(container.name)"
        var lines = LineRelay(now: .now)
        var passed = 0
        func send(_ line: String) {
            let before = passed
            passed += line.utf8.count + 1
            if passed <= Self.outputLimit {
                events(.log(source: source, line: line))
            } else if before <= Self.outputLimit {
                events(.log(source: source, line: "[what follows is dropped: more than \(Self.outputLimit) bytes]"))
            }
        }
        func pass(_ bytes: ArraySlice<UInt8>) {
            for line in lines.receive(bytes, now: .now) { send(line) }
        }
        while child.exitStatus == nil {
            var watched = [child.endDescriptor, output.openReadEnd].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            poll(&watched, 2, -1)
            output.readAvailable(pass)
        }
        output.readAvailable(pass)
        for line in lines.finish(now: .now) { send(line) }
        return (child.exitStatus.map(Self.words) ?? "unknown", lines.lastLines)
    }

    static func words(_ status: ExitStatus) -> String {
        switch status {
        case .exited(let code): "exit \(code)"
        case .signalled(let number): "signal \(number)"
        }
    }

    private func note(
        _ container: ContainerSpec, running: Bool = false, ended: String? = nil, _ lines: [String] = [], restarts: Int,
        restart: Duration? = nil
    ) {
        let state = ContainerState(
            pod: pod, name: container.name, running: running, ended: ended, lastLines: lines, restarts: restarts,
            restartMillis: restart.map { Int($0.components.seconds) * 1000 })
        states.withLock { $0[container.name] = state }
        if !isEnding { events(.container(state)) }
    }
}

/// An anonymous file that holds the bytes, at its beginning.
func memoryFile(_ bytes: [UInt8]) throws(SystemError) -> FileDescriptor {
    FileDescriptor(
        owning: try check("memfd_create") { bytes.withUnsafeBytes { node_memory_file($0.baseAddress, $0.count) } })
}
