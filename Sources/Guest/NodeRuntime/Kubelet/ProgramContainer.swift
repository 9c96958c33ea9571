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
        try Self.checkProgram(plan.arguments)
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
            entry.user = plan.user.flatMap { UInt32(exactly: $0) }
            entry.group = plan.group.flatMap { UInt32(exactly: $0) }
            entry.readOnlyRoot = plan.isRootReadOnly
            child = try Self.spawn(entry, streams, children)
        } catch {
            root.remove()
            rmdir(group)
            throw error
        }
    }

    /// Starts the process that becomes a program.
    static func spawn(
        _ entry: ContainerEntry, _ streams: ProgramStreams, _ children: ChildProcesses
    ) throws -> ChildProcess {
        defer { streams.started() }
        try Directories.make(entryDirectory)
        let path = "\(entryDirectory)/\(UInt64.random(in: 0...UInt64.max))"
        try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            .writeAll(Array(try JSONEncoder().encode(entry)))
        do {
            return try children.spawn(
                [ContainerEntry.program, path], environment: NodeEnvironment.variables, input: streams.given.input,
                output: streams.given.output, error: streams.given.error)
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Refuses a program that the userland does not have, in the words of runc.
    private static func checkProgram(_ arguments: [String]) throws {
        let words =
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
            + "runc create failed: unable to start container process: "
        guard let program = arguments.first, !program.isEmpty else {
            throw PodRuntimeError("no command specified")
        }
        func isThere(_ path: String) -> Bool {
            var status = stat()
            return lstat(UserlandDisk.mountPoint + path, &status) == 0
        }
        if program.hasPrefix("/") {
            // What a volume brings is not seen here. `/mnt/x` then fails when it is started.
            let top = program.split(separator: "/").first.map { "/" + $0 } ?? "/"
            guard !["/bin", "/sbin", "/usr"].contains(top) || isThere(program) else {
                throw PodRuntimeError(
                    words + "exec: \"\(program)\": stat \(program): no such file or directory: unknown")
            }
        } else if !program.contains("/"), !ContainerEntry.searchPath.contains(where: { isThere("\($0)/\(program)") }) {
            throw PodRuntimeError(words + "exec: \"\(program)\": executable file not found in $PATH: unknown")
        }
    }

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
        child = try ProgramContainer.spawn(entry, streams, children)
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
