import JSON
import Kubelet
import KubeletServer
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// What the kubelet's HTTPS API asks, answered from the mind, the logs and the runtime.
struct ServiceBackend: KubeletBackend {
    let service: KubeletService

    // MARK: Lookup

    private func identity(
        _ container: ContainerReference, previous: Bool = false
    ) throws -> ContainerIdentity {
        do {
            return try service.mind.withLock { mind in
                try mind.container(
                    container.container.isEmpty ? nil : container.container, ofPod: container.pod.name,
                    namespace: container.pod.namespace, uid: container.pod.uid, previous: previous)
            }
        } catch let problem as ContainerLookupProblem {
            throw KubeletRefusal(status: problem.status, message: problem.message)
        }
    }

    private func identity(_ pod: PodReference) throws -> PodIdentity {
        guard let identity = service.mind.withLock({ $0.pod(named: pod.name, namespace: pod.namespace) }),
            pod.uid == nil || pod.uid == identity.uid
        else { throw KubeletRefusal.noPod(pod) }
        return identity
    }

    private func running(_ container: ContainerReference) throws -> ContainerIdentity {
        do {
            return try service.mind.withLock { mind in
                try mind.runningContainer(
                    container.container.isEmpty ? nil : container.container, ofPod: container.pod.name,
                    namespace: container.pod.namespace, uid: container.pod.uid)
            }
        } catch let problem as ContainerLookupProblem {
            throw KubeletRefusal(status: problem.status, message: problem.message)
        }
    }

    // MARK: Pods

    private func list(_ pods: [JSONValue]) -> [UInt8] {
        JSONText.octets(
            of: .object([
                "kind": .string("PodList"), "apiVersion": .string("v1"), "metadata": .object([:]),
                "items": .array(pods),
            ]))
    }

    func pods() async throws -> [UInt8] { list(service.mind.withLock { $0.podObjects }) }

    func runningPods() async throws -> [UInt8] {
        let pods = service.mind.withLock { $0.podObjects }
        return list(
            pods.filter { pod in
                pod["status"]?["containerStatuses"]?.elements?.contains { $0["state"]?["running"] != nil } == true
            })
    }

    func summary() async throws -> StatsSummary {
        let service = service
        let usage = try await onOwnThread("summary") { service.runtime.usage() }
        let now = service.now().timestamp
        let pods = service.mind.withLock { $0.podObjects }.compactMap { pod -> StatsSummary.Pod? in
            guard let metadata = pod["metadata"], let name = metadata["name"]?.text,
                let namespace = metadata["namespace"]?.text, let uid = metadata["uid"]?.text
            else { return nil }
            func memory(_ bytes: Int64?) -> StatsSummary.Memory? {
                bytes.map { StatsSummary.Memory(time: now, workingSetBytes: UInt64(clamping: $0)) }
            }
            let startTime = pod["status"]?["startTime"]?.text ?? now
            let containers = (usage?.containerMemory[uid] ?? [:]).sorted { $0.key < $1.key }
            return StatsSummary.Pod(
                podRef: StatsSummary.PodReference(name: name, namespace: namespace, uid: uid), startTime: startTime,
                containers: containers.map { name, bytes in
                    StatsSummary.Container(
                        name: name, startTime: Self.started(name, in: pod) ?? startTime, memory: memory(bytes))
                }, memory: memory(usage?.podMemory[uid]))
        }
        let available = usage.map {
            StatsSummary.Memory(time: now, availableBytes: UInt64(clamping: $0.memoryAvailable))
        }
        return StatsSummary(
            node: StatsSummary.Node(
                nodeName: service.configuration.nodeName, startTime: service.startTime.timestamp, memory: available),
            pods: pods)
    }

    /// When a container of a pod's object has been started.
    private static func started(_ name: String, in pod: JSONValue) -> String? {
        let statuses = pod["status"]?["containerStatuses"]?.elements
        return statuses?.first { $0["name"]?.text == name }?["state"]?["running"]?["startedAt"]?.text
    }

    func health() async -> [String] { [] }

    // MARK: Logs and programs

    func log(of container: ContainerReference, previous: Bool) async throws -> ContainerLog {
        let identity = try identity(container, previous: previous)
        guard let log = service.containers.log(of: identity) else { throw KubeletRefusal.noContainer(container) }
        return log
    }

    func checkRunning(_ container: ContainerReference) async throws { _ = try running(container) }

    func checkRunning(_ pod: PodReference) async throws { _ = try identity(pod) }

    func exec(_ request: ExecRequest, _ streams: RemoteStreams) async throws -> Int32 {
        let identity = try running(request.container)
        let relay = OutputRelay()
        let (ends, ended) = AsyncStream<Int32>.makeStream()
        let plan = ExecutionPlan(
            container: identity, arguments: request.command, hasStdin: streams.input != nil,
            hasTerminal: streams.isTerminal, received: { relay.put($0, $1) },
            ended: { status in
                relay.end()
                ended.yield(status)
                ended.finish()
            })
        let runtime = service.runtime
        let execution = try await onOwnThread("exec") { try runtime.execute(plan) }
        return try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await feed(execution, streams) }
                group.addTask { await resize(execution, streams) }
                do {
                    try await write(relay, to: streams)
                } catch {
                    // The client has gone, and its program with it.
                    relay.abandon()
                    execution.kill()
                }
                group.cancelAll()
                for await status in ends { return status }
                throw PodRuntimeError("the program's end is unknown")
            }
        } onCancel: {
            relay.abandon()
            execution.kill()
        }
    }

    func attach(_ container: ContainerReference, _ streams: RemoteStreams) async throws {
        let identity = try running(container)
        guard let log = service.containers.log(of: identity) else { throw KubeletRefusal.noContainer(container) }
        let runtime = service.runtime
        await withTaskGroup(of: Void.self) { group in
            if let input = runtime.input(of: identity) {
                let closes = service.containers.plan(of: identity)?.isStdinOnce == true
                group.addTask { await feed(input, streams, closes: closes) }
                group.addTask { await resize(input, streams) }
            }
            for await (stream, bytes) in log.chunks() {
                do {
                    try await write(stream, bytes, to: streams)
                } catch {
                    break
                }
            }
            group.cancelAll()
        }
    }

    func connect(to port: UInt16, of pod: PodReference) async throws -> Int32 {
        let identity = try identity(pod)
        let runtime = service.runtime
        return try await onOwnThread("connect") { try runtime.connect(identity, port: port) }
    }

    // MARK: Streams

    private func feed(_ program: any ProgramInput, _ streams: RemoteStreams, closes: Bool = true) async {
        guard let input = streams.input else { return }
        for await bytes in input {
            // A program that does not read makes this wait, and the client by it.
            try? await onOwnThread("stdin") { program.write(bytes[...]) }
        }
        if closes, !Task.isCancelled { program.closeInput() }
    }

    private func resize(_ program: any ProgramInput, _ streams: RemoteStreams) async {
        for await size in streams.sizes { program.resize(columns: size.columns, rows: size.rows) }
    }

    private func write(_ relay: OutputRelay, to streams: RemoteStreams) async throws {
        for await piece in relay.pieces {
            try await write(piece.stream, piece.bytes, to: streams)
            relay.taken()
        }
    }

    private func write(_ stream: ContainerLog.Stream, _ bytes: [UInt8], to streams: RemoteStreams) async throws {
        switch stream {
        case .errors where !streams.isTerminal: try await streams.errors?.write(bytes)
        default: try await streams.output?.write(bytes)
        }
    }
}
