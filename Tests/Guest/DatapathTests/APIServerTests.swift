import AgentAPI
import CNI
@testable import ClusterClient
import Foundation
import JSON
import KubeObjects
import LinuxKernel
import ServedObjects
import TestAPIServer
import Testing

@testable import Datapath

@Suite final class APIServerTests {
    private let directory = NSTemporaryDirectory() + "api-server-\(UUID().uuidString)"
    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private static let node = "/apis/cilium.io/v2/ciliumnodes/node1"

    private func config(_ server: TestAPIServer) throws -> (AgentConfig, ServerLink, StateStore) {
        let access = APIServerAccess(
            host: "127.0.0.1", port: server.port, authorityPEM: try server.credentials.authorityPEM, token: "t")
        let config = AgentConfig(
            nodeName: "node1", nodeAddress: "10.0.0.11", podCIDR: "", clusterPodCIDRs: ["192.168.0.0/16"],
            statePath: directory, apiServer: access)
        return (config, ServerLink(access, nodeName: "node1"), try StateStore(directory: directory))
    }

    private func obtain(
        _ server: TestAPIServer, patience: Duration = .seconds(20)
    ) throws -> String? {
        let (config, link, store) = try config(server)
        // Nobody writes into the pipe, so no signal comes.
        let signals = try LinuxKernel.Pipe()
        return try PodRange.obtain(config, link, store, signals: signals.readEnd.rawValue, patience: patience)
    }

    private func give(_ range: String?, _ server: TestAPIServer) {
        server.put(
            Self.node, CiliumNode(metadata: ObjectHead(name: "node1"), podCIDRs: range.map { [$0] } ?? []).json)
    }

    // MARK: Range of the pods

    @Test func `a range that was used is known without the server`() throws {
        let server = try TestAPIServer()
        give("192.168.3.0/24", server)
        #expect(try obtain(server) == "192.168.3.0/24")
        server.stop()
        #expect(try obtain(server) == "192.168.3.0/24")
        // While the server answers, it has the say; a node's object that was deleted takes nothing away.
        try server.start()
        server.remove(Self.node)
        #expect(try obtain(server) == "192.168.3.0/24")
        // Nor does a text that is no range.
        give("ten", server)
        #expect(try obtain(server) == "192.168.3.0/24")
        give("192.168.4.0/24", server)
        #expect(try obtain(server) == "192.168.4.0/24")
        server.stop()
        #expect(try obtain(server) == "192.168.4.0/24")
    }

    @Test func `without a range the agent says who gave none, of what, and what it saw`() throws {
        let server = try TestAPIServer()
        let error = #expect(throws: DatapathError.self) { try obtain(server, patience: .seconds(2)) }
        let text = "\(try #require(error))"
        #expect(text.contains("node1") && text.contains("192.168.0.0/16") && text.contains("the operator"))
        #expect(text.contains("CiliumNode node1 has no spec.ipam.podCIDRs; the operator has said nothing"))
        #expect(server.object(Self.node) != nil)
    }

    @Test func `a signal ends the wait`() throws {
        let server = try TestAPIServer()
        let (config, link, store) = try config(server)
        let signals = try LinuxKernel.Pipe()
        try signals.writeEnd.writeAll([1])
        #expect(
            try PodRange.obtain(config, link, store, signals: signals.readEnd.rawValue, patience: .seconds(20)) == nil)
    }

    // MARK: Identities

    @Test func `allocated numbers in place of derived ones`() throws {
        let table = IdentityTable()
        var registry = IdentityRegistry(allocation: table)
        let labels = ["k8s:app=web"]
        #expect(throws: DatapathError.identityUnknown(labels: "k8s:app=web")) { try registry.acquire(labels) }
        table.remember(4711, labels)
        #expect(try registry.acquire(labels) == 4711)
        #expect(registry.labels(of: 4711) == labels)
        // Another agent of another moment says something else of this number: this node's own use wins.
        let entries = [
            IPCacheEntry(
                address: "192.168.2.9", prefix: 32, identity: 4711, tunnelEndpoint: "10.0.0.12", labels: ["k8s:app=db"]),
            IPCacheEntry(
                address: "192.168.2.10", prefix: 32, identity: 4712, tunnelEndpoint: "10.0.0.12",
                labels: ["k8s:app=cache"]),
        ]
        #expect(try registry.remoteIdentities(in: entries) == [4712: ["k8s:app=cache"]])
        registry.release(4711)
        #expect(registry.labels(of: 4711) == nil)
    }

    /// The operator may delete an identity just when its first pod of this round is connected.
    @Test func `an identity that is deleted while it is in use keeps its number`() throws {
        let table = IdentityTable()
        let labels = ["k8s:app=web"]
        table.set(CiliumIdentity(number: 4711, labels: labels))
        var registry = IdentityRegistry(allocation: table)
        #expect(try registry.acquire(labels) == 4711)
        table.remove(4711)
        #expect(table.served(4711) == nil && table.labels(of: 4711) == labels && table.number(of: labels) == 4711)
        #expect(try registry.acquire(labels) == 4711)
    }

    @Test func `after a restart an endpoint keeps its number`() throws {
        let table = IdentityTable()
        var registry = IdentityRegistry(allocation: table)
        #expect(try registry.restore(4711, ["k8s:app=web"]) == 4711)
        #expect(table.number(of: ["k8s:app=web"]) == 4711)
        var derived = IdentityRegistry()
        #expect(try derived.restore(4711, ["k8s:app=web"]) == SecurityIdentity.derive(from: ["k8s:app=web"]))
    }

    // MARK: Endpoints

    @Test func `an endpoint is not that of a pod of its name on another node`() {
        var pod = Pod(metadata: ObjectMeta(name: "db-0", namespace: "default"))
        pod.metadata.uid = "uid"
        #expect(pod.uid(on: "node1") == nil)
        pod.spec.nodeName = "node2"
        #expect(pod.uid(on: "node1") == nil && pod.uid(on: "node2") == "uid")
    }

    @Test func `an endpoint has the labels that its pod has by now`() {
        let endpoint = EndpointRecord(
            id: 1, containerID: "c", interface: "eth0", netns: "/run/netns/c", namespace: "default", name: "web",
            labels: ["app": "web"], identity: 5000, address: "192.168.1.9", hostInterface: "lxc1", ifindex: 7,
            mac: "02:00:00:00:00:01", hostMAC: "02:00:00:00:00:02", phase: .ready)
        var pod = Pod(metadata: ObjectMeta(name: "web", namespace: "default", labels: ["app": "web"], uid: "uid"))
        pod.spec.nodeName = "node1"
        #expect(endpoint.labelled(as: pod, on: "node1") == nil)
        pod.metadata.labels = ["app": "quarantine"]
        #expect(endpoint.labelled(as: pod, on: "node1")?.labels == ["app": "quarantine"])
        #expect(endpoint.labelled(as: pod, on: "node1")?.identity == 5000)
        #expect(endpoint.labelled(as: pod, on: "node2") == nil && endpoint.labelled(as: nil, on: "node1") == nil)
    }

    // MARK: Labels that a container runtime leaves out

    private func add(_ arguments: String, command: String = "ADD") -> CNIRequest {
        CNIRequest(
            command: command, containerID: "c1", netns: "/run/netns/a", interface: "eth0", arguments: arguments,
            configuration: "{}")
    }

    static let sandbox =
        "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;IgnoreUnknown=1"

    @Test func `a pod's labels come from the server when its runtime does not say them`() throws {
        let server = try TestAPIServer()
        server.put(
            "/api/v1/namespaces/default/pods/web",
            .object([
                "metadata": .object([
                    "name": .string("web"), "namespace": .string("default"),
                    "labels": .object(["app": .string("web"), "example.com/a,b": .string("1")]),
                ])
            ]))
        let link = try config(server).1
        let described = try link.describing(add(Self.sandbox))
        let arguments = try CNIArguments(parsing: described.arguments)
        #expect(arguments.labels == ["app": "web", "example.com/a,b": "1"])
        #expect(arguments.namespace == "default" && arguments.name == "web")
        #expect(described.containerID == "c1" && described.netns == "/run/netns/a" && described.interface == "eth0")
    }

    @Test(arguments: [
        ("K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;LABRUN_LABELS=app=web", "ADD"),
        ("K8S_POD_NAMESPACE=default;K8S_POD_NAME=web", "ADD"), (APIServerTests.sandbox, "DEL"),
        (APIServerTests.sandbox, "CHECK"), ("", "ADD"),
        (APIServerTests.sandbox + ";LABRUN_LABELS=app=web", "ADD"), ("a", "ADD"),
    ])
    func `other calls are carried out as they are`(arguments: String, command: String) throws {
        // Nothing listens there.
        let link = ServerLink(
            APIServerAccess(host: "127.0.0.1", port: 1, authorityPEM: "", token: "t"), nodeName: "node1")
        #expect(try link.describing(add(arguments, command: command)).arguments == arguments)
    }

    @Test func `a pod that the server does not have is tried again later`() throws {
        let link = try config(try TestAPIServer()).1
        #expect {
            try link.describing(add(Self.sandbox))
        } throws: { error in
            guard let error = error as? CNIError else { return false }
            return error.code == .tryAgainLater
                && error.message.hasPrefix("the labels of pod default/web are not known")
        }
    }

    // MARK: Status

    private func text(_ server: APIServerStatus?) -> String {
        var status = AgentStatus(
            nodeName: "node1", version: "1", ready: true, problems: [], kernel: "6.1",
            node: NodeEntry(
                name: "node1", address: "10.0.0.11", podCIDR: "192.168.1.0/24", routerAddress: "192.168.1.1",
                healthAddress: "192.168.1.2"), knownNodes: [], endpointCount: 0, addressesInUse: 2, addressesTotal: 254,
            values: [:], routing: "Native", podMTU: 1500, programs: [], starts: 1)
        status.apiServer = server
        return StatusText.text(status)
    }

    @Test func `the status says how the agent stands with the server`() {
        var server = APIServerStatus(
            server: "https://10.0.9.4:6443", isConnected: true, sinceMillis: 5000, reason: nil, lists: 10, watches: 11,
            events: 214)
        server.version = "1.20 (v1.20.2) [linux/amd64]"
        #expect(text(server).contains("Kubernetes:       Ok   1.20 (v1.20.2) [linux/amd64]\n"))
        #expect(
            text(server).contains("API server:       https://10.0.9.4:6443   10 lists, 11 watches, 214 events\n"))
        server.isConnected = false
        server.sinceMillis = 12_450
        server.reason = "pods: refused"
        #expect(text(server).contains("Kubernetes:       Failure   not connected for 12.4 s: pods: refused\n"))
        #expect(!text(nil).contains("Kubernetes") && !text(nil).contains("API server"))
    }
}
