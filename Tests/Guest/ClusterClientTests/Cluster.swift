import AgentAPI
import JSON
import KubeClient
import KubeObjects
import ServedObjects
import Synchronization
import TestAPIServer
import Testing

@testable import ClusterClient

/// Paths and objects of the tests' cluster.
enum Cluster {
    static let pods = "/api/v1/pods"
    static let nodes = "/api/v1/nodes"
    static let cilium = "/apis/cilium.io/v2"

    static func path(ofPod name: String) -> String { "/api/v1/namespaces/default/pods/\(name)" }
    static func path(ofEndpoint name: String) -> String { "\(cilium)/namespaces/default/ciliumendpoints/\(name)" }

    static func pod(_ name: String, labels: [String: String] = [:], address: String? = nil) -> JSONValue {
        .object([
            "metadata": .object([
                "name": .string(name), "namespace": .string("default"),
                "labels": .object(labels.mapValues { .string($0) }),
            ]),
            "status": .object(address.map { ["podIP": .string($0), "phase": .string("Running")] } ?? [:]),
        ])
    }

    static func node(
        _ name: String, _ address: String, range: String? = nil, router: String? = nil, health: String? = nil
    ) -> CiliumNode {
        CiliumNode(
            metadata: ObjectHead(name: name),
            addresses: [.init(type: "InternalIP", ip: address)]
                + (router.map { [.init(type: "CiliumInternalIP", ip: $0)] } ?? []), health: health,
            podCIDRs: range.map { [$0] } ?? [])
    }

    static let own = NodeEntry(
        name: "node1", address: "10.0.0.11", podCIDR: "192.168.1.0/24", routerAddress: "192.168.1.1",
        healthAddress: "192.168.1.2")

    static func endpoint(
        _ name: String, identity: UInt32 = 5000, _ address: String, node: String, labels: [String] = ["k8s:app=web"],
        pod: String = "uid-pod"
    ) -> CiliumEndpoint {
        CiliumEndpoint(
            metadata: ObjectHead(
                name: name, namespace: "default", owner: OwnerReference(kind: "Pod", name: name, uid: pod)),
            id: 7, identity: identity, labels: labels, addresses: [address], node: node)
    }
}

extension TestAPIServer {
    /// Serves slices as a server of version 1.20 does.
    func serveSlices() {
        put(
            "/apis/discovery.k8s.io/v1beta1",
            .object([
                "resources": .array([
                    .object([
                        "name": .string("endpointslices"), "namespaced": .bool(true), "kind": .string("EndpointSlice"),
                        "singularName": .string(""), "verbs": .array([.string("list"), .string("watch")]),
                    ])
                ])
            ]))
    }

    func client(_ credential: KubeCredential = .none) throws -> KubeClient {
        var limits = KubeClientLimits()
        limits.tokenAge = .milliseconds(10)
        return KubeClient(
            KubeServer(
                host: "127.0.0.1", port: port, authorityPEM: try credentials.authorityPEM, credential: credential),
            userAgent: "test", limits: limits)
    }
}

/// An agent that has no kernel: a follower, and the objects that were taken from it.
final class TestAgent: Sendable {
    let follower: ClusterFollower
    let identities = IdentityTable()
    private let record: Record
    private let task: Task<Void, Never>

    final class Record: Sendable {
        let notices = Mutex<[String]>([])
        let objects = Mutex(ClusterObjects())
        let pauses = Mutex<[Duration]>([])
    }

    init(_ client: KubeClient, name: String = "node1", longestPause: Duration = .milliseconds(50)) {
        let record = Record()
        var settings = ClusterFollower.settings
        settings.firstPause = .milliseconds(5)
        settings.longestPause = longestPause
        let follower = ClusterFollower(client, nodeName: name, identities: identities, settings: settings) { notice in
            switch notice {
            case .changed: break
            case .lost: record.notices.withLock { $0.append("lost") }
            case .connected: record.notices.withLock { $0.append("connected") }
            case .unreadable(let kind, let object):
                record.notices.withLock { $0.append("unreadable \(kind.rawValue) \(object.name)") }
            }
        }
        self.record = record
        self.follower = follower
        task = Task { await follower.run() }
    }

    deinit { task.cancel() }

    var notices: [String] { record.notices.withLock { $0 } }

    /// Takes what has come, and returns everything that is known.
    var objects: ClusterObjects {
        let batch = follower.take()
        return record.objects.withLock { objects in
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

    var pods: [String] { objects.pods.keys.map(\.name).sorted() }
}

/// Waits until something is so, by asking again and again.
func eventually(
    _ what: String, within limit: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation,
    seen: () -> String = { "" }, _ isSo: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if try await isSo() { return }
        try await Task.sleep(for: .milliseconds(2))
    }
    Issue.record("not in time: \(what); last seen: \(seen())", sourceLocation: sourceLocation)
}
