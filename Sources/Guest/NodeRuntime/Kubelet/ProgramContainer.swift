#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Files
import Glibc
import Kubelet
import KubeletServer
import KubeletService
import LinuxKernel
import Synchronization

/// A container whose work is a program of the userland.
final class ProgramContainer: Sendable {
    let identity: ContainerIdentity
    let streams: ProgramStreams
    private let child: ChildProcess
    private let group: String
    private let root: ContainerRoot
    private let environment: [String]
    private let rights: Rights

    /// What a container's programs may, whoever starts them.
    private struct Rights: Sendable {
        let user: UInt32?
        let group: UInt32?
        let supplementalGroups: [UInt32]
        let capabilities: UInt64
        let forbidsNewPrivileges: Bool

        init(_ plan: ContainerPlan) throws(PodRuntimeError) {
            user = plan.user.flatMap { UInt32(exactly: $0) }
            group = plan.group.flatMap { UInt32(exactly: $0) }
            supplementalGroups = plan.supplementalGroups.compactMap { UInt32(exactly: $0) }
            capabilities = try ContainerCapabilities.set(
                isPrivileged: plan.isPrivileged, adding: plan.addedCapabilities, dropping: plan.droppedCapabilities)
            forbidsNewPrivileges = !plan.allowsPrivilegeEscalation && !plan.isPrivileged
        }
    }

    private static func limit(_ entry: inout ContainerEntry, _ rights: Rights) {
        entry.user = rights.user
        entry.group = rights.group
        entry.supplementalGroups = rights.supplementalGroups
        entry.capabilities = rights.capabilities
        entry.forbidsNewPrivileges = rights.forbidsNewPrivileges
    }

    /// Where the pod's containers are.
    struct Place: Sendable {
        /// Nil for the node's own network.
        let networkNamespace: String?
        let hostname: String
        let resolver: String
    }

    /// Starts the program, whose output waits for `follow`.
    init(_ plan: ContainerPlan, in place: Place, mounts: [ContainerMount], children: ChildProcesses) throws {
        identity = plan.identity
        root = ContainerRoot(plan.identity)
        environment = Self.environment(plan, place)
        rights = try Rights(plan)
        group = try ContainerGroups.make(plan.identity, plan.controlGroup)
        do {
            try root.make(resolver: place.resolver, hosts: plan.hostsFile, hostname: place.hostname)
            streams = try ProgramStreams(hasInput: plan.hasStdin, hasTerminal: plan.hasTerminal)
            var entry = ContainerEntry(
                root: root.path, networkNamespace: place.networkNamespace, controlGroup: group,
                hostname: place.hostname, sharesRun: false, arguments: plan.arguments,
                environment: environment)
            entry.keepsInput = plan.hasStdin || plan.hasTerminal
            entry.hasTerminal = plan.hasTerminal
            entry.isFirstProcess = true
            let message = ContainerMount(source: root.message, target: plan.terminationMessagePath, readOnly: false)
            entry.mounts = mounts + (plan.terminationMessagePath.hasPrefix("/") ? [message] : [])
            entry.workingDirectory = plan.workingDirectory.isEmpty ? nil : plan.workingDirectory
            entry.readOnlyRoot = plan.isRootReadOnly
            entry.isPrivileged = plan.isPrivileged
            Self.limit(&entry, rights)
            do {
                child = try Self.spawn(entry, streams, children)
            } catch let refusal as PodRuntimeError {
                throw PodRuntimeError(
                    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
                        + "runc create failed: unable to start container process: \(refusal): unknown")
            }
        } catch {
            root.remove()
            rmdir(group)
            throw error
        }
    }

    /// Starts a process and waits until it has become its program.
    /// - Throws: `PodRuntimeError` with the words of what failed on the way.
    static func spawn(
        _ entry: ContainerEntry, _ streams: ProgramStreams, _ children: ChildProcesses
    ) throws -> ChildProcess {
        defer { streams.started() }
        try Directories.make(entryDirectory)
        let path = "\(entryDirectory)/\(UInt64.random(in: 0...UInt64.max))"
        let statusPath = ContainerEntry.statusPath(path)
        defer {
            unlink(path)
            unlink(statusPath)
        }
        try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            .writeAll(Array(try JSONEncoder().encode(entry)))
        try check("mkfifo", statusPath) { mkfifo(statusPath, 0o600) }
        let status = try FileDescriptor.open(statusPath, O_RDONLY | O_NONBLOCK)
        let child = try children.spawn(
            [ContainerEntry.program, path], environment: NodeEnvironment.variables, input: streams.given.input,
            output: streams.given.output, error: streams.given.error)
        let words = wait(for: child, on: status.rawValue)
        guard words.isEmpty else {
            child.killGroup()
            _ = child.waitForEnd(until: .after(.seconds(1)))
            throw PodRuntimeError(words)
        }
        return child
    }

    /// Waits for the end of the pipe, which is the program's beginning, and answers what came through it before.
    private static func wait(for child: ChildProcess, on status: Int32) -> String {
        let deadline = Deadline.after(startPatience)
        var words: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !deadline.hasPassed {
            var watched = [status, child.endDescriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&watched, 2, deadline.remainingMilliseconds)
            if watched[0].revents != 0 {
                let count = read(status, &buffer, buffer.count)
                if count > 0 {
                    words += buffer[..<count].prefix(4096 - words.count)
                } else if count == 0 {
                    return String(decoding: words, as: UTF8.self)
                }
            } else if let end = child.exitStatus {
                return "the process ended with \(end) before its program began"
            }
        }
        return "the program has not begun within \(startPatience)"
    }

    private static let startPatience = Duration.seconds(30)

    private static let entryDirectory = "/run/labrun/kubelet/entries"

    private static func environment(_ plan: ContainerPlan, _ place: Place) -> [String] {
        var given = plan.environment
        let defaults = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOSTNAME", place.hostname),
            ("HOME", "/root"),
        ]
        for (name, value) in defaults.reversed() where !given.contains(where: { $0.name == name }) {
            given.insert(EnvironmentVariable(name, value), at: 0)
        }
        if plan.hasTerminal, !given.contains(where: { $0.name == "TERM" }) {
            given.append(EnvironmentVariable("TERM", "xterm"))
        }
        return given.map { "\($0.name)=\($0.value)" }
    }

    /// Begins to read its output, and calls `ended` after its end, when nothing is left of it.
    func follow(_ log: ContainerLog, ended: @escaping @Sendable (ContainerExit) -> Void) {
        startThread("container") { self.relay(log, ended) }
    }

    private func relay(_ log: ContainerLog, _ ended: (ContainerExit) -> Void) {
        streams.relay(child) { log.append($1, to: $0, at: .now()) }
        ContainerGroups.kill(group, until: .after(.seconds(10)))
        streams.closeAll()
        let outOfMemory = ContainerGroups.wasOutOfMemory(group)
        let message = root.terminationMessage
        root.remove()
        rmdir(group)
        log.finish(at: .now())
        var exit = ContainerExit(exitCode: 255, isOutOfMemory: outOfMemory, terminationMessage: message)
        switch child.exitStatus {
        case .exited(let code)?: exit.exitCode = code
        case .signalled(let number)?: exit.exitCode = 128 + number
        case nil: break
        }
        exit.lastLog = String(decoding: log.tail(bytes: 2048), as: UTF8.self)
        ended(exit)
    }

    func signal(_ number: Int32) { child.signal(number) }

    func kill() { ContainerGroups.kill(group, until: .after(.milliseconds(100))) }

    /// The entry of a further program in the container.
    func execution(_ plan: ExecutionPlan) -> ContainerEntry {
        var entry = ContainerEntry(
            root: root.path, networkNamespace: nil, controlGroup: group, hostname: nil, sharesRun: false,
            arguments: plan.arguments, environment: environment)
        entry.joins = child.processIdentifier
        Self.limit(&entry, rights)
        entry.keepsInput = plan.hasStdin || plan.hasTerminal
        entry.hasTerminal = plan.hasTerminal
        return entry
    }
}

/// A program that runs in a container besides its own.
final class ProgramExecution: RunningExecution {
    private let streams: ProgramStreams
    private let child: ChildProcess

    init(_ entry: ContainerEntry, _ plan: ExecutionPlan, children: ChildProcesses) throws {
        streams = try ProgramStreams(hasInput: plan.hasStdin, hasTerminal: plan.hasTerminal)
        do {
            child = try ProgramContainer.spawn(entry, streams, children)
        } catch let refusal as PodRuntimeError {
            throw PodRuntimeError(
                "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: "
                    + "unable to start container process: \(refusal): unknown")
        }
        startThread("execution") {
            self.streams.relay(self.child, plan.received)
            self.streams.closeAll()
            switch self.child.exitStatus {
            case .exited(let code)?: plan.ended(code)
            case .signalled(let number)?: plan.ended(128 + number)
            case nil: plan.ended(255)
            }
        }
    }

    func write(_ bytes: ArraySlice<UInt8>) { streams.write(bytes) }
    func closeInput() { streams.closeInput() }
    func resize(columns: UInt16, rows: UInt16) { streams.resize(columns: columns, rows: rows) }
    // The process that follows the program is killed, and the kernel kills the program with it.
    func kill() { child.killGroup() }
}
