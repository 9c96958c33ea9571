import Glibc
import KubeletServer
import LinuxKernel
import Synchronization

/// A node whose pods' containers are programs of this machine, without any isolation: what is tested is the way to
/// them.
final class LocalBackend: KubeletBackend {
    /// A running container: its log, and its first process's input.
    struct Container: Sendable {
        let log = ContainerLog()
        let process: Pid
        let input: Int32

        struct Pid: Sendable { let identifier: pid_t }
    }

    private let containers = Mutex<[ContainerReference: Container]>([:])
    /// Calls of `exec`, so that a test sees that they were made here.
    let executed = Mutex<[[String]]>([])

    /// Starts a container's first process.
    func start(_ reference: ContainerReference, _ arguments: [String]) throws {
        let process = try LocalProcess(arguments)
        let container = Container(process: .init(identifier: process.identifier), input: process.input)
        containers.withLock { $0[reference] = container }
        let log = container.log
        Task {
            let streams = RemoteStreams(
                output: RemoteOutput(writing: { log.append($0, to: .output, at: .now()) }),
                errors: RemoteOutput(writing: { log.append($0, to: .errors, at: .now()) }))
            try? await streams.connect(input: nil, output: process.output, errors: process.errors)
            _ = await process.end()
            log.finish(at: .now())
        }
    }

    /// Writes to a container's standard input.
    func tell(_ reference: ContainerReference, _ text: String) {
        guard let container = containers.withLock({ $0[reference] }) else { return }
        _ = Array(text.utf8).withUnsafeBytes { write(container.input, $0.baseAddress, $0.count) }
    }

    private func container(_ reference: ContainerReference) throws(KubeletRefusal) -> Container {
        try checkPod(reference.pod)
        let found = containers.withLock { containers in
            containers.first { Self.isSame($0.key.pod, reference.pod) && $0.key.container == reference.container }
        }
        guard let found else { throw .noContainer(reference) }
        return found.value
    }

    private static func isSame(_ left: PodReference, _ right: PodReference) -> Bool {
        left.namespace == right.namespace && left.name == right.name
    }

    private func checkPod(_ pod: PodReference) throws(KubeletRefusal) {
        guard containers.withLock({ $0.keys.contains { Self.isSame($0.pod, pod) } }) else { throw .noPod(pod) }
    }

    func pods() async throws -> [UInt8] { Array(#"{"kind":"PodList","apiVersion":"v1","items":[]}"#.utf8) }
    func runningPods() async throws -> [UInt8] { try await pods() }

    func summary() async throws -> StatsSummary {
        StatsSummary(node: .init(nodeName: "node1", startTime: "2026-01-01T00:00:00Z"), pods: [])
    }

    func health() async -> [String] { [] }

    func log(of container: ContainerReference, previous: Bool) async throws -> ContainerLog {
        let found = try self.container(container)
        if previous { throw KubeletRefusal.noPreviousContainer(container) }
        return found.log
    }

    func checkRunning(_ container: ContainerReference) async throws { _ = try self.container(container) }
    func checkRunning(_ pod: PodReference) async throws { try checkPod(pod) }

    func exec(_ request: ExecRequest, _ streams: RemoteStreams) async throws -> Int32 {
        executed.withLock { $0.append(request.command) }
        let process = try LocalProcess(request.command, terminal: streams.isTerminal)
        let master = process.output
        let sizes = Task {
            for await size in streams.sizes {
                var window = winsize(ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0)
                _ = ioctl(master, UInt(TIOCSWINSZ), &window)
            }
        }
        defer { sizes.cancel() }
        do {
            try await streams.connect(
                input: process.input, output: process.output, errors: process.errors < 0 ? nil : process.errors)
        } catch {
            kill(process.identifier, SIGKILL)
        }
        return await process.end()
    }

    func attach(_ container: ContainerReference, _ streams: RemoteStreams) async throws {
        let container = try self.container(container)
        let chunks = container.log.chunks()
        let typing = Task {
            guard let input = streams.input else { return }
            for await bytes in input {
                _ = bytes.withUnsafeBytes { write(container.input, $0.baseAddress, $0.count) }
            }
        }
        defer { typing.cancel() }
        for await (stream, bytes) in chunks {
            try await (stream == .output ? streams.output : streams.errors ?? streams.output)?.write(bytes)
        }
    }

    func connect(to port: UInt16, of pod: PodReference) async throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        // Of this machine: it is accepted or refused at once.
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            let error = SystemError(code: errno, call: "connect")
            close(descriptor)
            throw error
        }
        return descriptor
    }
}
