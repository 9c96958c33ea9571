import Foundation
import JSON
import KubeClient
import LinuxKernel
import Synchronization

let clientCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("client", client), ("many-clients", manyClients),
]

/// What the client promises, against real servers.
@Sendable private func client() async throws {
    let test = try await TestControlPlane.started()
    try await discovery(test)
    try await writes(test)
    try await refusals(test)
    try await manyPods(test)
    try await expiredWatch(test)
    await test.plane.stop()
}

private func body(_ text: String) -> KubeBody { KubeBody(octets: Array(text.utf8)) }

private func discovery(_ test: TestControlPlane) async throws {
    let begin = MonotonicTime.now
    let found = try await test.client.discover()
    print(
        "\(found.resources.count) resources discovered in \(MonotonicTime.now.since(begin)), missing \(found.missing)")
    try expect(found.serves(.pods) && found.serves(.deployments) && found.missing.isEmpty, "\(found)")
    try expect(found.resource(named: "deploy")?.kind == "Deployment" && found.resource(named: "po")?.kind == "Pod")
    try expect(found.resource(apiVersion: "v1", kind: "Pod")?.subresources.contains("binding") == true)
    let slices = try await test.client.firstServed(of: [.endpointSlices, .endpointSlicesBeta])
    print("endpoint slices are \(slices?.apiVersion ?? "not there")")
    try expect(slices == (found.serves(.endpointSlices) ? .endpointSlices : .endpointSlicesBeta))
}

private func writes(_ test: TestControlPlane) async throws {
    func apply(_ manager: String, _ value: String, force: Bool = false) async throws -> KubeBody {
        try await test.client.patch(
            .configMaps, namespace: "default", name: "applied", .apply(fieldManager: manager, force: force),
            body(
                #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"a":"\#(value)"}}"#),
            within: .seconds(20))
    }
    _ = try await apply("one", "1")
    do {
        _ = try await apply("two", "2")
        throw Unexpected(description: "two managers own one field")
    } catch KubeClientError.refused(let status) {
        print("refused: \(status)")
        try expect(status.isConflict && status.details?.causes?.first?.field == ".data.a", "\(status)")
    }
    try expect(try await apply("two", "2", force: true).json()["data"]?["a"]?.text == "2")
    for (kind, text) in [
        (KubePatch.merge, #"{"data":{"a":"m"}}"#), (.strategicMerge, #"{"data":{"a":"m"}}"#),
        (.json, #"[{"op":"replace","path":"/data/a","value":"m"}]"#),
    ] {
        let reset = try await apply("two", "2", force: true)
        try expect(try reset.json()["data"]?["a"]?.text == "2")
        let after = try await test.client.patch(
            .configMaps, namespace: "default", name: "applied", kind, body(text), within: .seconds(20))
        try expect(try after.json()["data"]?["a"]?.text == "m", "\(kind)")
    }
}

private func refusals(_ test: TestControlPlane) async throws {
    func refusal(_ body: () async throws -> KubeBody) async throws -> KubeStatus {
        do {
            _ = try await body()
            throw Unexpected(description: "not refused")
        } catch KubeClientError.refused(let status) {
            print("refused: \(status)")
            return status
        }
    }
    let map = #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"}}"#
    let twice = try await refusal {
        try await test.client.create(.configMaps, namespace: "default", body(map), within: .seconds(20))
    }
    try expect(twice.alreadyExists && twice.message.contains("already exists"))
    let stale = #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied","resourceVersion":"1"}}"#
    let conflict = try await refusal {
        try await test.client.replace(
            .configMaps, namespace: "default", name: "applied", body(stale), within: .seconds(20))
    }
    try expect(conflict.isConflict)
    let invalid = try await refusal {
        try await test.client.create(
            .pods, namespace: "default", body(#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"A_"}}"#),
            within: .seconds(20))
    }
    try expect(invalid.code == 422 && invalid.details?.causes?.isEmpty == false)
    let unreadable = try await refusal {
        try await test.client.create(.pods, namespace: "default", body("{"), within: .seconds(20))
    }
    try expect(unreadable.code == 400)
    let missing = try await refusal {
        try await test.client.delete(.pods, namespace: "default", name: "no-such", within: .seconds(20))
    }
    try expect(missing.isNotFound)
}

private struct NamedPod: Decodable, Sendable {
    struct Metadata: Decodable, Sendable { let name: String }
    let metadata: Metadata
}

private func makePod(_ test: TestControlPlane, _ name: String) async throws {
    let text = """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\(name)","labels":{"app":"many"}},"spec":{"nodeName":"node1",
        "containers":[{"name":"web","image":"web","ports":[{"containerPort":80}],"env":[{"name":"A","value":"b"}]}]}}
        """
    try await test.client.create(.pods, namespace: "default", body(text), within: .seconds(60))
}

/// The time of a list of 500 pods.
private func manyPods(_ test: TestControlPlane) async throws {
    let begin = MonotonicTime.now
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        for worker in 0..<10 {
            tasks.addTask {
                for number in 0..<50 { try await makePod(test, "many-\(worker * 50 + number)") }
            }
        }
        try await tasks.waitForAll()
    }
    print("500 pods made in \(MonotonicTime.now.since(begin))")
    let octets = try await test.client.send(
        KubeRequest(path: "/api/v1/pods", query: [("resourceVersion", "0")]), within: .seconds(20))
    print("a list of them has \(octets.body.count >> 10) KiB")
    func timed<Object: Sendable>(_ what: String, _ list: () async throws -> KubeList<Object>) async throws {
        let begin = MonotonicTime.now
        for _ in 0..<5 {
            let items = try await list().items.count
            try expect(items >= 500, "\(items) pods")
        }
        print("\(what): \(Int(MonotonicTime.now.since(begin).seconds * 200)) ms")
    }
    try await timed("list of what is at hand, as values of any shape") {
        try await test.client.list(.pods, resourceVersion: "0", as: JSONValue.self, within: .seconds(20))
    }
    try await timed("list of the newest state, as values of any shape") {
        try await test.client.list(.pods, as: JSONValue.self, within: .seconds(20))
    }
    try await timed("list of what is at hand, by JSONDecoder") {
        try await test.client.list(.pods, resourceVersion: "0", as: NamedPod.self, within: .seconds(20))
    }
    try await timed("list of what is at hand, not read") {
        try await test.client.list(.pods, resourceVersion: "0", within: .seconds(20)) { $0.count }
    }
    // In pages.
    var limits = KubeClientLimits()
    limits.page = 100
    let paging = KubeClient(test.plane.admin, userAgent: "selftest", in: test.node.rawDescriptor, limits: limits)
    try await timed("list in pages of 100") {
        try await paging.list(.pods, as: JSONValue.self, within: .seconds(20))
    }
    await paging.close()
}

/// A server that has been started again has no longer what happened before.
private func expiredWatch(_ test: TestControlPlane) async throws {
    try await test.plane.kill(.apiServer)
    try await test.plane.start(.apiServer)
    try await test.plane.waitUntilReady(within: .seconds(60))
    do {
        for try await event in test.client.watch(.pods, from: "1") {
            throw Unexpected(description: "an event of long ago: \(event.kind)")
        }
        throw Unexpected(description: "the watch ended")
    } catch KubeClientError.refused(let status) {
        print("refused: \(status)")
        try expect(status.isExpired, "\(status)")
    }
    // A watch of the server's own short time ends as it should.
    let list: KubeList<JSONValue> = try await test.client.list(.nodes, as: JSONValue.self, within: .seconds(20))
    let begin = MonotonicTime.now
    for try await _ in test.client.watch(.nodes, from: list.resourceVersion, seconds: 1) {}
    print("a watch of one second ended after \(MonotonicTime.now.since(begin))")
}

/// How far the reflectors of many clients have come.
private final class Followers: Sendable {
    private let known = Mutex<[Int: Set<String>]>([:])
    private let losses = Mutex(0)

    var lost: Int { losses.withLock { $0 } }
    /// How many of them know a config map.
    func count(of name: String) -> Int { known.withLock { $0.values.count { $0.contains(name) } } }

    func follow(_ number: Int, _ reflector: Reflector<JSONValue>) async {
        for await update in reflector.updates() {
            switch update {
            case .listed(let objects): known.withLock { $0[number] = Set(objects.compactMap(name)) }
            case .added(let object), .modified(let object):
                if let name = name(object) { known.withLock { _ = $0[number, default: []].insert(name) } }
            case .disconnected: losses.withLock { $0 += 1 }
            case .connected, .deleted, .unreadable: break
            }
        }
    }

    private func name(_ object: JSONValue) -> String? { object["metadata"]?["name"]?.text }
}

/// Sixteen clients with seven reflectors each lose the API server for ten seconds.
@Sendable private func manyClients() async throws {
    let test = try await TestControlPlane.started()
    let resources: [KubeResource] = [
        .nodes, .pods, .services, .endpointSlicesBeta, .namespaces, .networkPolicies, .configMaps,
    ]
    let followers = Followers()
    let clients = (0..<16).map { KubeClient(test.plane.admin, userAgent: "many-\($0)", in: test.node.rawDescriptor) }
    let tasks = clients.enumerated().flatMap { number, client in
        resources.map { resource in
            Task {
                let reflector = Reflector<JSONValue>(client, resource)
                if resource == .configMaps {
                    await followers.follow(number, reflector)
                } else {
                    for await _ in reflector.updates() {}
                }
            }
        }
    }
    func arrival(of name: String, _ since: MonotonicTime) async throws {
        _ = try await eventually("\(name) at all clients") { followers.count(of: name) == 16 ? true : nil }
        print("\(name) is known to all \(Int(MonotonicTime.now.since(since).seconds * 1000)) ms after it was made")
    }
    var made = MonotonicTime.now
    try await test.configMap("first")
    try await arrival(of: "first", made)
    made = .now
    try await test.configMap("second")
    try await arrival(of: "second", made)

    try await test.plane.kill(.apiServer)
    _ = try await eventually("the loss") { followers.lost == 16 ? true : nil }
    let begin = MonotonicTime.now
    _ = try await eventually("ten seconds") { MonotonicTime.now.since(begin) > .seconds(10) ? true : nil }
    try await test.plane.start(.apiServer)
    try await test.plane.waitUntilReady(within: .seconds(60))
    made = .now
    try await test.configMap("third")
    try await arrival(of: "third", made)
    for task in tasks { task.cancel() }
    for client in clients { await client.close() }

    // What the server has seen since: each reflector's watch, its list if the watch had expired, and the watch after it.
    let text = try String(contentsOfFile: test.artifacts + "/audit.log", encoding: .utf8)
    let back = text.split(separator: "\n").filter {
        $0.contains(#""userAgent":"many-"#) && $0.contains(#""stage":"ResponseComplete""#)
    }
    print("\(back.count) requests of the clients in all")
    try expect(back.count <= 16 * 7 * 12, "\(back.count) requests")
    await test.plane.stop()
}
