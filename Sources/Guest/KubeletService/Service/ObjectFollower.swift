import JSON
import KubeClient
import Kubelet
import Synchronization

/// Follows single ConfigMaps and Secrets, each by a watch of its own, as the server lets a node see only those that its
/// pods name.
final class ObjectFollower: Sendable {
    private let client: KubeClient
    private let take: @Sendable (KubeletInput) -> Void
    private let tasks = Mutex<[ObjectReference: Task<Void, Never>]>([:])

    init(_ client: KubeClient, _ take: @escaping @Sendable (KubeletInput) -> Void) {
        self.client = client
        self.take = take
    }

    func follow(_ reference: ObjectReference) {
        let task = Task { await self.watch(reference) }
        tasks.withLock { $0.updateValue(task, forKey: reference) }?.cancel()
    }

    func unfollow(_ reference: ObjectReference) { tasks.withLock { $0.removeValue(forKey: reference) }?.cancel() }

    func end() async {
        let all = tasks.withLock { tasks in
            defer { tasks = [:] }
            return Array(tasks.values)
        }
        for task in all { task.cancel() }
    }

    private func watch(_ reference: ObjectReference) async {
        let resource: KubeResource =
            switch reference.kind {
            case .configMap: .configMaps
            case .secret: .secrets
            }
        let reflector = Reflector<ObjectContent>(
            client, resource, namespace: reference.namespace, fieldSelector: "metadata.name=\(reference.name)"
        ) { ObjectContent(reference.kind, try JSONText.value(of: $0)) }
        for await update in reflector.updates() {
            switch update {
            case .listed(let objects): tell(reference, objects.first)
            case .added(let object), .modified(let object): tell(reference, object)
            case .deleted: tell(reference, nil)
            case .unreadable, .disconnected, .connected: break
            }
        }
    }

    private func tell(_ reference: ObjectReference, _ content: ObjectContent?) {
        guard !Task.isCancelled else { return }
        take(.object(reference, content))
    }
}
