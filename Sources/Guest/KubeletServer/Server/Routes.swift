import FoundationEssentials
import NIOHTTP1

/// Answers the requests that need no streams.
struct Routes: Sendable {
    let backend: any KubeletBackend
    let access: KubeletAccess
    let now: @Sendable () -> LogTime

    /// Bytes of output that `/run` returns at most.
    private static let runLimit = 1 << 20

    /// Reads and checks a request.
    ///
    /// - Throws: `KubeletRefusal`.
    func request(_ head: HTTPRequestHead, from identity: PeerIdentity?) throws(KubeletRefusal) -> KubeletRequest {
        // A stranger learns nothing of paths.
        if identity == nil { throw KubeletRefusal(status: 401, message: "Unauthorized") }
        let request = try KubeletRequest(method: head.method.rawValue, uri: head.uri)
        try access.check(identity, request)
        return request
    }

    /// Answers, with whatever kept it from doing so as the answer.
    func answer(_ head: HTTPRequestHead, from identity: PeerIdentity?, _ answer: HTTPAnswer) async {
        do { try await serve(try request(head, from: identity), answer) } catch let refusal as KubeletRefusal {
            await answer.refuse(refusal)
        } catch {
            await answer.refuse(KubeletRefusal(status: 500, message: "\(error)"))
        }
    }

    private func serve(_ request: KubeletRequest, _ answer: HTTPAnswer) async throws {
        switch request.target {
        case .health:
            let failures = await backend.health()
            guard failures.isEmpty else {
                throw KubeletRefusal(
                    status: 500, message: failures.map { "[-]\($0)\n" }.joined() + "healthz check failed")
            }
            await answer.send("text/plain; charset=utf-8", Array("ok".utf8))
        case .pods: await answer.send("application/json", try await backend.pods())
        case .runningPods: await answer.send("application/json", try await backend.runningPods())
        case .summary:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            await answer.send("application/json", Array(try encoder.encode(try await backend.summary())))
        case .metrics:
            await answer.send(PrometheusText.type, PrometheusText.counts(try await backend.summary()))
        case .resourceMetrics:
            await answer.send(PrometheusText.type, PrometheusText.resources(try await backend.summary()))
        case .logs(let container): try await sendLog(of: container, request, answer)
        case .run(let container): try await run(in: container, request, answer)
        case .exec, .attach, .portForward:
            throw KubeletRefusal(
                status: 400, message: "unable to upgrade: missing upgrade headers in request")
        }
    }

    private func sendLog(of container: ContainerReference, _ request: KubeletRequest, _ answer: HTTPAnswer) async throws
    {
        let options = try LogOptions(request.query, now: now())
        let log = try await backend.log(of: container, previous: options.previous)
        try await answer.begin("text/plain; charset=utf-8")
        // A client that has gone ends it.
        try? await log.send(options) { try await answer.write($0) }
        await answer.end()
    }

    private func run(in container: ContainerReference, _ request: KubeletRequest, _ answer: HTTPAnswer) async throws {
        try await backend.checkRunning(container)
        let words = request.query.first { $0.name == "cmd" }?.value.split(separator: " ").map(String.init) ?? []
        guard !words.isEmpty else { throw KubeletRefusal(status: 400, message: "query parameter \"cmd\" is required") }
        let collected = ByteQueue(limit: Self.runLimit)
        let output = RemoteOutput(writing: { bytes in
            guard collected.push(bytes) else {
                throw KubeletRefusal(status: 500, message: "more than \(Self.runLimit) bytes of output")
            }
        })
        let streams = RemoteStreams(output: output, errors: output)
        let status = try await backend.exec(ExecRequest(container: container, command: words), streams)
        collected.finish()
        let bytes = await collected.next() ?? []
        guard status == 0 else {
            let text = String(decoding: bytes, as: UTF8.self)
            throw KubeletRefusal(status: 500, message: "command terminated with exit code \(status): \(text)")
        }
        await answer.send("text/plain; charset=utf-8", bytes)
    }
}

/// Metrics of the kubelet in Prometheus' text format, under the real kubelet's names.
enum PrometheusText {
    static let type = "text/plain; version=0.0.4; charset=utf-8"

    /// `/metrics`: how much runs.
    static func counts(_ summary: StatsSummary) -> [UInt8] {
        let containers = summary.pods.reduce(0) { $0 + $1.containers.count }
        return family(
            "kubelet_running_pods", "gauge", "Pods that have a running sandbox", [("", "\(summary.pods.count)")])
            + family("kubelet_running_containers", "gauge", "Running containers", [("", "\(containers)")])
            + family(
                "kubelet_node_name", "gauge", "The node's name. The count is always 1.",
                [(labels([("node", summary.node.nodeName)]), "1")])
    }

    /// `/metrics/resource`: what the node and containers use, where it was measured.
    static func resources(_ summary: StatsSummary) -> [UInt8] {
        var processors: [(String, String)] = []
        var memories: [(String, String)] = []
        for pod in summary.pods {
            for container in pod.containers {
                let labels = labels([
                    ("container", container.name), ("namespace", pod.podRef.namespace), ("pod", pod.podRef.name),
                ])
                if let time = container.cpu?.usageCoreNanoSeconds { processors.append((labels, seconds(time))) }
                if let bytes = container.memory?.workingSetBytes { memories.append((labels, "\(bytes)")) }
            }
        }
        let node = summary.node
        return family(
            "container_cpu_usage_seconds_total", "counter", "Processor time of the container in core-seconds",
            processors)
            + family("container_memory_working_set_bytes", "gauge", "Working set of the container in bytes", memories)
            + family(
                "node_cpu_usage_seconds_total", "counter", "Processor time of the node in core-seconds",
                node.cpu?.usageCoreNanoSeconds.map { [("", seconds($0))] } ?? [])
            + family(
                "node_memory_working_set_bytes", "gauge", "Working set of the node in bytes",
                node.memory?.workingSetBytes.map { [("", "\($0)")] } ?? [])
    }

    private static func seconds(_ nanoseconds: UInt64) -> String { "\(Double(nanoseconds) / 1e9)" }

    private static func labels(_ labels: [(String, String)]) -> String {
        "{"
            + labels.map { name, value in
                let escaped = value.flatMap { character -> String in
                    switch character {
                    case "\\": "\\\\"
                    case "\"": "\\\""
                    case "\n": "\\n"
                    default: String(character)
                    }
                }
                return "\(name)=\"\(String(escaped))\""
            }.joined(separator: ",") + "}"
    }

    private static func family(_ name: String, _ type: String, _ help: String, _ samples: [(String, String)]) -> [UInt8]
    {
        guard !samples.isEmpty else { return [] }
        let head = "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        return Array((head + samples.map { "\(name)\($0) \($1)\n" }.joined()).utf8)
    }
}
