import AgentAPI
import Foundation
import JSON
import KubeClient
import KubeObjects
import Kubelet
import ServedObjects
import Synchronization

@testable import ClusterClient

/// An agent that has no kernel: a follower, and the objects that were taken from it.
final class FollowingAgent: Sendable {
    private let identities: IdentityTable
    private let follower: ClusterFollower
    private let known = Mutex(ClusterObjects())
    private let task: Task<Void, Never>

    init(_ client: KubeClient) {
        let identities = IdentityTable()
        let follower = ClusterFollower(client, nodeName: "node1", identities: identities) { _ in }
        self.identities = identities
        self.follower = follower
        task = Task {
            await follower.run()
            await client.close()
        }
    }

    func end() { task.cancel() }

    var status: String {
        let status = follower.status
        return "\(status.lists) lists, \(status.events) events, \(status.unreadable) unreadable"
    }

    /// Takes what has come, and returns everything that is known.
    private var objects: ClusterObjects {
        let batch = follower.take()
        return known.withLock { objects in
            batch.nodes.changes(from: objects.nodes).apply(to: &objects.nodes)
            batch.namespaces.changes(from: objects.namespaces).apply(to: &objects.namespaces)
            batch.pods.changes(from: objects.pods).apply(to: &objects.pods)
            batch.services.changes(from: objects.services).apply(to: &objects.services)
            batch.endpointSlices.changes(from: objects.endpointSlices).apply(to: &objects.endpointSlices)
            batch.networkPolicies.changes(from: objects.networkPolicies).apply(to: &objects.networkPolicies)
            batch.ciliumNetworkPolicies.changes(from: objects.ciliumNetworkPolicies)
                .apply(to: &objects.ciliumNetworkPolicies)
            return objects
        }
    }

    /// Where the agent knows something else than the server has. Objects that cannot be read stay as they were known.
    func differences(_ client: KubeClient) async throws -> [String] {
        guard let endpoints = follower.endpoints, follower.status.isConnected else { return ["not connected"] }
        var found = try await Self.differences(objects, client)
        found += try await Self.differences(endpoints, client, .ciliumEndpoints, key: \.key) { try CiliumEndpoint($0) }
        let nodes = try await Self.served(client, .ciliumNodes) { try CiliumNode($0) }
        for case .object(let node) in nodes where follower.ciliumNode(node.metadata.name) != node {
            found.append("CiliumNode \(node.metadata.name)")
        }
        return found
    }

    /// Where objects are others than the server's.
    static func differences(_ known: ClusterObjects, _ client: KubeClient) async throws -> [String] {
        var found = try await differences(known.nodes, client, .nodes, key: \.key) { try ServedJSON.object($0) }
        found += try await differences(known.namespaces, client, .namespaces, key: \.key) { try ServedJSON.object($0) }
        found += try await differences(known.pods, client, .pods, key: \.key) { try ServedJSON.object($0) }
        found += try await differences(known.services, client, .services, key: \.key) { try ServedJSON.object($0) }
        found += try await differences(known.endpointSlices, client, .endpointSlicesBeta, key: \.key) {
            try ServedJSON.slice($0)
        }
        found += try await differences(known.networkPolicies, client, .networkPolicies, key: \.key) {
            try ServedJSON.object($0)
        }
        found += try await differences(known.ciliumNetworkPolicies, client, .ciliumNetworkPolicies, key: \.key) {
            try ServedJSON.object($0)
        }
        return found
    }

    private static func differences<Object: Sendable & Equatable>(
        _ known: [ObjectKey: Object], _ client: KubeClient, _ resource: KubeResource,
        key: @Sendable (Object) -> ObjectKey, _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) async throws -> [String] {
        var found: [String] = []
        var served: Set<ObjectKey> = []
        for reading in try await self.served(client, resource, read) {
            switch reading {
            case .object(let object):
                served.insert(key(object))
                if known[key(object)] != object { found.append("\(resource.plural) \(key(object))") }
            case .unreadable(let name): served.insert(ObjectKey(namespace: name.namespace, name: name.name))
            }
        }
        return found + known.keys.filter { !served.contains($0) }.map { "\(resource.plural) \($0) is gone" }
    }

    private static func served<Object: Sendable>(
        _ client: KubeClient, _ resource: KubeResource, _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) async throws -> [ObjectReading<Object>] {
        try await client.list(resource, within: .seconds(20)) { try ObjectReading($0, read) }.items
    }
}

/// The mind of a kubelet that is told of the pods of node1 and does nothing of what it decides.
final class FollowingKubelet: Sendable {
    private struct State: Sendable {
        var mind: KubeletMind
        var pods: Set<String> = []
        var readings = 0
        var mistakes = 0
        var actions = 0
    }

    private struct ServedPod: Sendable {
        let uid: String
        let isReadable: Bool
    }

    private static let fieldSelector = "spec.nodeName=node1"
    private let state: Mutex<State>
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ client: KubeClient) {
        let settings = KubeletSettings(
            nodeName: "node1", addresses: [NodeAddress(type: "InternalIP", address: "10.0.0.11")],
            resources: NodeResources(milliCPU: 4000, memory: 4 << 30),
            system: NodeSystem(
                machineID: "m", systemUUID: "s", bootID: "b", kernelVersion: "6.1", osImage: "Debian",
                containerRuntimeVersion: "labrun://1.0"))
        state = Mutex(State(mind: KubeletMind(settings, images: ImageCatalogue(), seed: 1)))
        take(.services([]))
        take(.network(problem: nil))
        task.withLock { $0 = Task { [weak self] in await self?.follow(client) } }
    }

    func end() { task.withLock { $0?.cancel() } }

    var pods: Set<String> { state.withLock { $0.pods } }
    var readings: Int { state.withLock { $0.readings } }
    var mistakes: Int { state.withLock { $0.mistakes } }
    var words: String {
        state.withLock { "\($0.readings) pods, \($0.mistakes) unreadable, \($0.actions) actions" }
    }

    /// Where it knows other pods than the server has. What cannot be read stays as it was known.
    func differences(_ client: KubeClient) async throws -> [String] {
        let list = try await client.list(.pods, fieldSelector: Self.fieldSelector, within: .seconds(20)) {
            let object = try JSONText.value(of: $0)
            return ServedPod(uid: object["metadata"]?["uid"]?.text ?? "", isReadable: (try? KubePod(object)) != nil)
        }
        let (all, readable) = (Set(list.items.map(\.uid)), Set(list.items.filter(\.isReadable).map(\.uid)))
        let known = pods
        return readable.subtracting(known).sorted().map { "\($0) is not known" }
            + known.subtracting(all).sorted().map { "\($0) is gone" }
    }

    private func follow(_ client: KubeClient) async {
        let reflector = Reflector<KubePod>(client, .pods, fieldSelector: Self.fieldSelector) {
            try KubePod(try JSONText.value(of: $0))
        }
        for await update in reflector.updates() {
            switch update {
            case .listed(let pods):
                state.withLock { $0.pods = Set(pods.map(\.identity.uid)) }
                take(.podsListed(pods))
            case .added(let pod), .modified(let pod):
                state.withLock { state in
                    state.readings += 1
                    state.pods.insert(pod.identity.uid)
                }
                take(.pod(pod))
            case .deleted(let pod):
                state.withLock { _ = $0.pods.remove(pod.identity.uid) }
                take(.podGone(pod.identity))
            case .unreadable(let pod):
                state.withLock { $0.mistakes += 1 }
                let identity = PodIdentity(namespace: pod.namespace, name: pod.name, uid: "")
                take(.unreadablePod(identity, pod.reason))
            case .disconnected, .connected: break
            }
        }
        await client.close()
    }

    private func take(_ input: KubeletInput) {
        let uptime = Duration.nanoseconds(Int64(clamping: DispatchTime.now().uptimeNanoseconds))
        let now = KubeletTime(
            monotonic: uptime, unixMicroseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
        state.withLock { state in
            let mind = state.mind.take(input, at: now)
            state.actions += mind.count
            if let deadline = state.mind.deadline, deadline <= uptime {
                state.actions += state.mind.advance(to: now).count
            }
        }
    }
}
