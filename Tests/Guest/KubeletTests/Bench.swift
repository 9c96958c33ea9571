import JSON
import Testing

@testable import Kubelet

func json(_ text: String) throws -> JSONValue { try JSONText.value(of: Array(text.utf8)) }

/// A pod's object: metadata of a name, and a spec.
func podObject(
    _ spec: String, name: String = "web", uid: String? = nil, metadata: String = "", status: String = "{}"
) throws -> JSONValue {
    let more = metadata.isEmpty ? "" : ", " + metadata
    return try json(
        #"{"metadata": {"name": "\#(name)", "namespace": "shop", "uid": "\#(uid ?? "uid-" + name)"\#(more)}, "#
            + #""spec": \#(spec), "status": \#(status)}"#)
}

func pod(
    _ spec: String, name: String = "web", uid: String? = nil, metadata: String = "", status: String = "{}"
) throws -> KubePod {
    try KubePod(podObject(spec, name: name, uid: uid, metadata: metadata, status: status))
}

func settings(_ change: (inout KubeletSettings) -> Void = { _ in }) -> KubeletSettings {
    var settings = KubeletSettings(
        nodeName: "node-1",
        addresses: [
            NodeAddress(type: "InternalIP", address: "10.0.0.11"), NodeAddress(type: "Hostname", address: "node-1"),
        ],
        resources: NodeResources(milliCPU: 2000, memory: 1 << 30, ephemeralStorage: 1 << 29),
        system: NodeSystem(
            machineID: "m", systemUUID: "s", bootID: "boot-2", kernelVersion: "6.1", osImage: "Debian",
            containerRuntimeVersion: "labrun://1.0"))
    settings.clusterDNS = ["172.20.0.10"]
    settings.hostResolver = "nameserver 10.0.0.2\nsearch eu.internal\n"
    change(&settings)
    return settings
}

func catalogue() throws -> ImageCatalogue {
    try ImageCatalogue(
        json(
            #"""
            {"images": [
              {"names": ["curl", "curlimages/curl"], "entrypoint": ["curl"], "command": ["--version"]},
              {"names": ["busybox", "alpine"], "command": ["sh"], "environment": {"LANG": "C"}},
              {"names": ["*/pause"], "builtIn": "pause"},
              {"names": ["echo", "echo:2"], "builtIn": "echo", "user": 1000}
            ]}
            """#))
}

/// A mind with a runtime and an API server around it that do what they are told, at once.
struct Bench {
    var mind: KubeletMind
    var now = Duration.zero
    var events: [EventRecord] = []
    /// All actions, in their order.
    var log: [KubeletAction] = []
    var statuses: [String: JSONValue] = [:]
    /// The container states that each pod has shown, one text for each change: `web=waiting:ContainerCreating`.
    var shown: [String] = []
    var running: [ContainerIdentity: ContainerPlan] = [:]
    var objects: [ObjectReference: ObjectContent] = [:]
    /// The answer to an action in place of the usual one; nil for the usual one.
    var answer: (KubeletAction) -> [KubeletInput]? = { _ in nil }
    /// Whether deleted objects are told as gone.
    var tellsGone = true
    private var queue: [KubeletInput] = []

    static let boot: Int64 = 1_764_439_200_000_000

    init(_ change: (inout KubeletSettings) -> Void = { _ in }, isNetworkReady: Bool = true) throws {
        mind = KubeletMind(settings(change), images: try catalogue(), seed: 1)
        feed(.services([]))
        if isNetworkReady { feed(.network(problem: nil)) }
    }

    var time: KubeletTime {
        KubeletTime(
            monotonic: now,
            unixMicroseconds: Self.boot + now.components.seconds * 1_000_000
                + now.components.attoseconds / 1_000_000_000_000)
    }

    mutating func feed(_ inputs: KubeletInput...) {
        queue += inputs
        while !queue.isEmpty {
            let input = queue.removeFirst()
            if case .containerEnded(let identity, _) = input { running[identity] = nil }
            carryOut(mind.take(input, at: time))
        }
    }

    /// Lets time pass, stopping wherever the mind wants to.
    mutating func run(_ duration: Duration) {
        let end = now + duration
        var steps = 0
        while let deadline = mind.deadline, deadline <= end {
            steps += 1
            guard steps < 100_000 else {
                Issue.record("the mind wakes for ever at \(now)")
                return
            }
            now = max(now, deadline)
            carryOut(mind.advance(to: time))
            feed()
        }
        now = end
    }

    private mutating func carryOut(_ actions: [KubeletAction]) {
        for action in actions {
            log.append(action)
            note(action)
            queue += answer(action) ?? usual(action)
        }
    }

    private mutating func note(_ action: KubeletAction) {
        switch action {
        case .record(let event): events.append(event)
        case .startContainer(let plan): running[plan.identity] = plan
        case .patchStatus(let pod, let patch):
            let status = patch["status"] ?? .null
            statuses[pod.uid] = status
            let text = Self.states(status)
            if shown.last != text { shown.append(text) }
        default: break
        }
    }

    private func usual(_ action: KubeletAction) -> [KubeletInput] {
        switch action {
        case .patchStatus(let pod, _): [.statusWritten(pod, .success)]
        case .deletePod(let pod): [.podDeleted(pod, .success)] + (tellsGone ? [.podGone(pod)] : [])
        case .follow(let reference): [.object(reference, objects[reference])]
        case .requestToken(let request):
            [.token(request, .success(IssuedToken(token: "token", expires: time.unixMicroseconds + 3_600_000_000)))]
        case .registerNode:
            [
                .nodeWritten(.success),
                .node(
                    .object([
                        "metadata": .object(["uid": .string("node-uid"), "labels": .object(["zone": .string("a")])])
                    ])),
            ]
        case .patchNodeStatus: [.nodeWritten(.success)]
        case .mountVolumes(let pod, _): [.volumesMounted(pod, .success)]
        case .makeSandbox(let plan):
            [.sandboxMade(plan.pod, attempt: plan.attempt, .success(SandboxNetwork(addresses: ["10.1.0.5"])))]
        case .removeSandbox(let pod): [.sandboxRemoved(pod, .success)]
        case .startContainer(let plan): [.containerStarted(plan.identity, .success)]
        case .stopContainer(let identity, let grace):
            [.containerEnded(identity, ContainerExit(exitCode: grace == .zero ? 137 : 143))]
        case .runHook(let identity, let hook, _, _): [.hookEnded(identity, hook, .success)]
        case .probe(let probe, _, _): [.probed(probe, .success)]
        default: []
        }
    }

    // MARK: What was seen

    /// `Warning Failed: Error: ErrImagePull`, those about pods only, repeated ones once.
    var told: [String] {
        events.filter { !$0.isRepeated && $0.object["involvedObject"]?["kind"]?.text == "Pod" }
            .map { "\($0.type) \($0.reason): \($0.message)" }
    }

    func status(_ name: String = "web") -> JSONValue { statuses["uid-" + name] ?? .null }
    func phase(_ name: String = "web") -> String? { status(name)["phase"]?.text }
    func condition(_ type: String, of name: String = "web") -> String {
        let condition = status(name)["conditions"]?.elements?.first { $0["type"]?.text == type }
        return [condition?["status"], condition?["reason"], condition?["message"]].compactMap { $0?.text }
            .joined(separator: " ")
    }
    func container(_ name: String) -> ContainerIdentity? { running.keys.first { $0.name == name } }

    /// Ends the running program of a container.
    mutating func exit(
        _ name: String, _ code: Int32, isOutOfMemory: Bool = false, message: String = "", log: String = ""
    )
        throws
    {
        let identity = try #require(container(name), "\(name) does not run")
        feed(
            .containerEnded(
                identity,
                ContainerExit(
                    exitCode: code, isOutOfMemory: isOutOfMemory, terminationMessage: message, lastLog: log)))
    }

    /// `Pending a=waiting:ContainerCreating b=running`
    static func states(_ status: JSONValue) -> String {
        let entries = (status["initContainerStatuses"]?.elements ?? []) + (status["containerStatuses"]?.elements ?? [])
        return
            ([status["phase"]?.text ?? "?"]
            + entries.map { entry in
                let state = entry["state"]?.members?.first
                let reason = state?.value["reason"]?.text.map { ":" + $0 } ?? ""
                let ready = entry["ready"] == .bool(true) ? "+" : ""
                return "\(entry["name"]?.text ?? "")\(ready)=\(state?.key ?? "")\(reason)"
            }).joined(separator: " ")
    }
}
