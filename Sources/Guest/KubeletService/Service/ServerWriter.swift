import JSON
import KubeClient
import Kubelet
import Synchronization

/// What the kubelet writes at the API server. Statuses of pods go side by side; what is said of the node goes in order,
/// and so do events, which are given up where a kubelet would give them up.
final class ServerWriter: Sendable {
    /// How long one request may take.
    static let patience = Duration.seconds(10)
    private static let statusTries = 5
    private static let leaseTries = 5
    private static let eventTries = 3
    /// How many events wait. Later ones are lost, as they are when a server is away.
    private static let waitingEvents = 1_000

    private let client: KubeClient
    private let nodeName: String
    private let note: @Sendable (String) -> Void
    private let take: @Sendable (KubeletInput) -> Void
    private let nodeQueue: Queue<KubeletAction>
    private let leaseQueue: Queue<JSONValue>
    private let eventQueue: Queue<EventRecord>

    /// What waits to be written, for one reader.
    private struct Queue<Element: Sendable>: Sendable {
        let elements: AsyncStream<Element>
        let send: AsyncStream<Element>.Continuation
        init(_ policy: AsyncStream<Element>.Continuation.BufferingPolicy) {
            (elements, send) = AsyncStream<Element>.makeStream(bufferingPolicy: policy)
        }
    }

    init(
        _ client: KubeClient, nodeName: String, note: @escaping @Sendable (String) -> Void,
        _ take: @escaping @Sendable (KubeletInput) -> Void
    ) {
        self.client = client
        self.nodeName = nodeName
        self.note = note
        self.take = take
        nodeQueue = Queue(.bufferingNewest(64))
        leaseQueue = Queue(.bufferingNewest(1))
        eventQueue = Queue(.bufferingOldest(Self.waitingEvents))
    }

    func carryOut(_ action: KubeletAction) {
        switch action {
        case .registerNode, .patchNodeStatus: nodeQueue.send.yield(action)
        case .renewLease(let lease): leaseQueue.send.yield(lease)
        case .record(let event): eventQueue.send.yield(event)
        case .patchStatus(let pod, let patch):
            Task { take(.statusWritten(pod, await outcome { try await self.patchStatus(of: pod, patch) })) }
        case .deletePod(let pod):
            Task { take(.podDeleted(pod, await outcome { try await self.delete(pod) })) }
        case .createMirrorPod(let object): Task { await createMirror(object) }
        case .requestToken(let request): Task { await requestToken(request) }
        default: break
        }
    }

    /// Writes what waits, until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await action in self.nodeQueue.elements {
                    switch action {
                    case .registerNode(let node):
                        if await self.register(node) { self.take(.nodeWritten(.success)) }
                    case .patchNodeStatus(let patch): self.take(.nodeWritten(await self.patchNode(patch)))
                    default: break
                    }
                }
            }
            group.addTask { for await lease in self.leaseQueue.elements { await self.renew(lease) } }
            group.addTask { for await event in self.eventQueue.elements { await self.record(event) } }
        }
    }

    // MARK: Pods

    private func patchStatus(of pod: PodIdentity, _ patch: JSONValue) async throws {
        try await client.patch(
            .pods, namespace: pod.namespace, name: pod.name, subresource: "status", .strategicMerge, KubeBody(patch),
            within: Self.patience)
    }

    private func delete(_ pod: PodIdentity) async throws {
        do {
            try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name, gracePeriod: 0, uid: pod.uid, within: Self.patience)
        } catch KubeClientError.refused(let status) where status.isNotFound || status.isConflict {
            // It is gone already, or another pod has its name.
        }
    }

    private func createMirror(_ object: JSONValue) async {
        do {
            try await client.create(
                .pods, namespace: object["metadata"]?["namespace"]?.text ?? "default", KubeBody(object),
                within: Self.patience)
        } catch KubeClientError.refused(let status) where status.alreadyExists {
        } catch {
            note("a static pod's object cannot be created: \(error)")
        }
    }

    private func requestToken(_ request: TokenRequest) async {
        do {
            let answer = try await client.create(
                .serviceAccounts, namespace: request.namespace, name: request.serviceAccount, subresource: "token",
                KubeBody(Self.object(of: request)), within: Self.patience
            ).json()
            guard let token = answer["status"]?["token"]?.text,
                let expires = answer["status"]?["expirationTimestamp"]?.text.flatMap(Timestamp.parse)
            else { throw KubeClientError.malformed("no token in the answer") }
            take(.token(request, .success(IssuedToken(token: token, expires: expires))))
        } catch {
            take(.token(request, .failure("\(error)")))
        }
    }

    static func object(of request: TokenRequest) -> JSONValue {
        .object([
            "apiVersion": .string("authentication.k8s.io/v1"), "kind": .string("TokenRequest"),
            "spec": .object([
                "audiences": .array(request.audience.map { [.string($0)] } ?? []),
                "expirationSeconds": .integer(request.expirationSeconds),
                "boundObjectRef": .object([
                    "kind": .string("Pod"), "apiVersion": .string("v1"), "name": .string(request.pod.name),
                    "uid": .string(request.pod.uid),
                ]),
            ]),
        ])
    }

    // MARK: Node

    /// Creates the node's object, or brings the one that is there to it; tries until it is done, and answers false only
    /// when the task was cancelled.
    private func register(_ node: JSONValue) async -> Bool {
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            do {
                try await client.create(.nodes, KubeBody(node), within: Self.patience)
                note("node \(nodeName) is registered")
                return true
            } catch KubeClientError.refused(let status) where status.alreadyExists {
                if await bring(node) { return true }
            } catch {
                note("node \(nodeName) cannot be registered: \(error)")
            }
            guard (try? await Task.sleep(for: pause)) != nil else { return false }
            // A kubelet waits for up to seven seconds. A lab's servers start together with its nodes.
            pause = min(pause * 2, .seconds(1))
        }
        return false
    }

    /// Gives the node's object that is there the labels and the status of this one.
    private func bring(_ node: JSONValue) async -> Bool {
        var metadata: [String: JSONValue] = [:]
        for key in ["labels", "annotations"] { metadata[key] = node["metadata"]?[key] }
        do {
            try await client.patch(
                .nodes, name: nodeName, .strategicMerge, KubeBody(.object(["metadata": .object(metadata)])),
                within: Self.patience)
            if let status = node["status"] {
                try await client.patch(
                    .nodes, name: nodeName, subresource: "status", .strategicMerge,
                    KubeBody(.object(["status": status])), within: Self.patience)
            }
            note("node \(nodeName) was registered before, and is brought up to date")
            return true
        } catch {
            note("node \(nodeName) cannot be brought up to date: \(error)")
            return false
        }
    }

    private func patchNode(_ patch: JSONValue) async -> Outcome<Empty> {
        var words = ""
        for attempt in 1...Self.statusTries {
            do {
                try await client.patch(
                    .nodes, name: nodeName, subresource: "status", .strategicMerge, KubeBody(patch),
                    within: Self.patience)
                return .success
            } catch {
                words = "\(error)"
                note("status of node \(nodeName), attempt \(attempt): \(words)")
            }
            guard (try? await Task.sleep(for: .milliseconds(200 * attempt))) != nil else { break }
        }
        return .failure(words)
    }

    private func renew(_ lease: JSONValue) async {
        for attempt in 1...Self.leaseTries {
            do {
                return try await write(lease)
            } catch {
                note("lease of node \(nodeName), attempt \(attempt): \(error)")
            }
            guard (try? await Task.sleep(for: .milliseconds(500 * attempt))) != nil else { return }
        }
    }

    private func write(_ lease: JSONValue) async throws {
        let namespace = lease["metadata"]?["namespace"]?.text ?? "kube-node-lease"
        let name = lease["metadata"]?["name"]?.text ?? nodeName
        do {
            try await client.patch(
                .leases, namespace: namespace, name: name, .merge, KubeBody(lease), within: Self.patience)
        } catch KubeClientError.refused(let status) where status.isNotFound {
            try await client.create(.leases, namespace: namespace, KubeBody(lease), within: Self.patience)
        }
    }

    // MARK: Events

    private func record(_ event: EventRecord) async {
        for attempt in 1...Self.eventTries {
            do {
                return try await write(event)
            } catch KubeClientError.refused(let status) where status.code < 500 && status.code != 429 {
                // The namespace may be on its way out. A kubelet gives up then, too.
                return note("event \(event.reason) \(event.name): \(status)")
            } catch {
                note("event \(event.reason) \(event.name), attempt \(attempt): \(error)")
            }
            guard (try? await Task.sleep(for: .seconds(attempt))) != nil else { return }
        }
    }

    private func write(_ event: EventRecord) async throws {
        if event.isRepeated {
            let keys = ["count", "lastTimestamp", "message", "series"]
            let changes = keys.compactMap { key in event.object[key].map { (key, $0) } }
            do {
                try await client.patch(
                    .events, namespace: event.namespace, name: event.name, .strategicMerge,
                    KubeBody(.object(Dictionary(changes) { first, _ in first })), within: Self.patience)
                return
            } catch KubeClientError.refused(let status) where status.isNotFound {
                // It has outlived its time at the server, and begins anew.
            }
        }
        do {
            try await client.create(
                .events, namespace: event.namespace, KubeBody(event.object), within: Self.patience)
        } catch KubeClientError.refused(let status) where status.alreadyExists {}
    }
}

/// How an asynchronous call without a value went.
private func outcome(_ body: () async throws -> Void) async -> Outcome<Empty> {
    do {
        try await body()
        return .success
    } catch {
        return .failure("\(error)")
    }
}
