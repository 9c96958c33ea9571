import ControlPlane
import Foundation
import JSON
import KubeClient
import LinuxKernel

let servingCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("serves", serves), ("own-programs", ownPrograms), ("wrong-flags", wrongFlags),
]

/// One control plane from its start to its end, asked for everything that a lab asks of it.
@Sendable private func serves() async throws {
    let test = try await TestControlPlane.started()
    try await serviceAccountsAreKnown(test)
    try await podsAreBound(test)
    await test.printUsage()
    try await customResources(test)
    try await rightsAreKept(test)
    try auditIsWritten(test)
    try secretsAreKept(test)
    try expect(test.notices.take().isEmpty, "a server has ended")
    await test.plane.stop()
    try expect(test.notices.take().allSatisfy(\.wasExpected), "an end was not expected")
}

private func serviceAccountsAreKnown(_ test: TestControlPlane) async throws {
    let anonymous = test.client(with(test.plane.admin, .none))
    try expect(try await test.status(anonymous, "/api/v1/nodes") == 401, "nobody was let in")
    let request = #"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#
    let answer = try await test.client.create(
        .serviceAccounts, namespace: "default", name: "default", subresource: "token",
        KubeBody(octets: Array(request.utf8)), within: .seconds(20))
    guard let token = try answer.json()["status"]?["token"]?.text else { throw Unexpected(description: "no token") }
    let account = test.client(with(test.plane.admin, .token(token)))
    try expect(try await test.status(account, "/api") == 200, "a token is not known")
    try expect(try await test.status(account, "/api/v1/nodes") == 403, "a service account may do everything")
    let forged = test.client(with(test.plane.admin, .token(token.dropLast(6) + "AAAAAA")))
    try expect(try await test.status(forged, "/api") == 401, "a forged token is known")
}

private func with(_ server: KubeServer, _ credential: KubeCredential) -> KubeServer {
    var server = server
    server.credential = credential
    return server
}

/// A node made by hand with its own certificate, and a deployment.
private func podsAreBound(_ test: TestControlPlane) async throws {
    let node = test.client(try await test.plane.nodeCredentials("node1").server)
    let object = #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node1"},"spec":{"podCIDR":"10.244.1.0/24"}}"#
    try await node.create(.nodes, KubeBody(octets: Array(object.utf8)), within: .seconds(20))
    let now = ISO8601DateFormatter().string(from: Date())
    let resources = #"{"cpu":"4","memory":"4Gi","pods":"110"}"#
    let status = """
        {"status":{"capacity":\(resources),"allocatable":\(resources),"conditions":[{"type":"Ready","status":"True",
        "reason":"KubeletReady","message":"","lastHeartbeatTime":"\(now)","lastTransitionTime":"\(now)"}],
        "addresses":[{"type":"InternalIP","address":"10.0.0.11"}]}}
        """
    try await node.patch(
        .nodes, name: "node1", subresource: "status", .strategicMerge, KubeBody(octets: Array(status.utf8)),
        within: .seconds(20))
    try await test.create(.deployments, namespace: "default", deployment("web", 3))
    print("deployment made after \(test.milliseconds) ms")
    let created = MonotonicTime.now
    _ = try await eventually("three bound pods") {
        let pods: KubeList<JSONValue> = try await test.client.list(
            .pods, namespace: "default", labelSelector: "app=web", as: JSONValue.self, within: .seconds(5))
        let bound = pods.items.filter { $0["spec"]?["nodeName"]?.text == "node1" }
        return bound.count == 3 ? true : nil
    }
    print("three pods bound after \(test.milliseconds) ms, \(MonotonicTime.now.since(created)) after the deployment")
}

private func deployment(_ name: String, _ replicas: Int) -> String {
    """
    {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"\(name)"},"spec":{"replicas":\(replicas),
    "selector":{"matchLabels":{"app":"\(name)"}},"template":{"metadata":{"labels":{"app":"\(name)"}},
    "spec":{"containers":[{"name":"web","image":"web"}]}}}}
    """
}

/// The API server of a wrong build crashes on the first one.
private func customResources(_ test: TestControlPlane) async throws {
    let definition = """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.lab.run"},
        "spec":{"group":"lab.run","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget",
        "listKind":"WidgetList"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":
        {"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer","maximum":9}}}}}}}]}}
        """
    try await test.create(.customResourceDefinitions, definition)
    let widgets = KubeResource(group: "lab.run", version: "v1", plural: "widgets")
    func widget(_ name: String, _ size: Int) -> String {
        #"{"apiVersion":"lab.run/v1","kind":"Widget","metadata":{"name":"\#(name)"},"spec":{"size":\#(size)}}"#
    }
    _ = try await eventually("a custom resource") {
        try await test.create(widgets, namespace: "default", widget("small", 3))
        return true
    }
    let list: KubeList<JSONValue> = try await test.client.list(
        widgets, namespace: "default", as: JSONValue.self, within: .seconds(5))
    try expect(list.items.map { $0["spec"]?["size"]?.integerValue } == [3], "\(list.items)")
    let path = widgets.path(namespace: "default", name: nil)
    try expect(
        try await test.status(test.client, path, method: "POST", widget("large", 10)) == 422, "it is not checked")
}

/// What a node may do, and what it may not.
private func rightsAreKept(_ test: TestControlPlane) async throws {
    let secret =
        #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"of-others"},"stringData":{"word":"\#(secretWord)"}}"#
    try await test.create(.secrets, namespace: "default", secret)
    let node = test.client(try await test.plane.nodeCredentials("node1").server)
    try expect(try await test.status(node, "/api/v1/nodes/node1") == 200, "a node cannot see itself")
    for path in [
        "/api/v1/namespaces/default/secrets/of-others", "/api/v1/secrets", "/api/v1/namespaces/kube-system/configmaps",
    ] { try expect(try await test.status(node, path) == 403, "a node reads \(path)") }
    let other = #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node2"}}"#
    try expect(try await test.status(node, "/api/v1/nodes", method: "POST", other) == 403, "a node registers another")
    let scheduler = test.client(try test.plane.server(for: .scheduler))
    try expect(try await test.status(scheduler, "/api/v1/pods") == 200, "the scheduler cannot see pods")
    try expect(try await test.status(scheduler, "/api/v1/secrets") == 403, "the scheduler reads secrets")
    // A node that joins later.
    let late = try await test.plane.nodeCredentials("node9", address: "10.0.0.19")
    try expect(try await test.status(test.client(late.server), "/api/v1/nodes/node1") == 200, "a later node is unknown")
}

private let secretWord = "correct-horse-battery-staple"

private func auditIsWritten(_ test: TestControlPlane) throws {
    let text = try String(contentsOfFile: test.artifacts + "/audit.log", encoding: .utf8)
    let lines = try text.split(separator: "\n").map { line in
        try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
    }
    let made = lines.contains { line in
        line["verb"]?.text == "create" && line["user"]?["username"]?.text == "labrun"
            && line["objectRef"]?["resource"]?.text == "deployments"
    }
    try expect(made, "the deployment is not in the audit log")
    let refused = lines.contains { line in
        line["user"]?["username"]?.text == "system:node:node1" && line["responseStatus"]?["code"]?.integerValue == 403
    }
    try expect(refused, "the refusal is not in the audit log")
    print("\(lines.count) lines of audit log, \(text.utf8.count >> 10) KiB")
}

/// Keys lie in files that only their owner reads, and nothing of them is in an artifact.
private func secretsAreKept(_ test: TestControlPlane) throws {
    var secrets = [secretWord, Data(secretWord.utf8).base64EncodedString()]
    for name in try FileManager.default.subpathsOfDirectory(atPath: test.folder) where !name.hasPrefix("etcd/") {
        let path = test.folder + "/" + name
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        let mode = (attributes[.posixPermissions] as? Int) ?? -1
        let isFolder = attributes[.type] as? FileAttributeType == .typeDirectory
        try expect(mode == (isFolder ? 0o700 : 0o600), "\(path) has mode \(String(mode, radix: 8))")
        guard !isFolder, name.hasSuffix(".key") || name.hasSuffix(".conf") else { continue }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        let key = name.hasSuffix(".key") ? lines.dropFirst().first : lines.first { $0.contains("client-key-data") }
        guard let key else { throw Unexpected(description: "\(path) has no key") }
        secrets.append(String(key.suffix(60)))
    }
    try expect(secrets.count > 10, "only \(secrets.count) secrets are known")
    let names = try FileManager.default.subpathsOfDirectory(atPath: test.artifacts)
    for server in ControlPlaneServer.kubernetes {
        try expect(names.contains("\(server).log"), "there is no log of \(server): \(names)")
    }
    for name in names {
        let text = String(
            decoding: try Data(contentsOf: URL(filePath: test.artifacts + "/" + name)), as: UTF8.self)
        try expect(!secrets.contains { text.contains($0) }, "a secret is in \(name)")
        try expect(!text.contains("PRIVATE KEY"), "a key is in \(name)")
    }
}

/// A folder of one's own, with links to programs.
@Sendable private func ownPrograms() async throws {
    guard let directory = ProcessInfo.processInfo.environment["LABRUN_CONTROL_PLANE_BIN"] else {
        throw Unexpected(description: "LABRUN_CONTROL_PLANE_BIN is not set")
    }
    let folder = FileManager.default.temporaryDirectory.appending(path: "labrun-own-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for server in ControlPlaneServer.kubernetes {
        if server == .scheduler {
            do {
                _ = try ControlPlanePrograms(directory: folder)
                throw Unexpected(description: "nothing is missing without a scheduler")
            } catch let error as ControlPlaneError {
                try expect("\(error)".contains("lacks kube-scheduler"), "\(error)")
            }
        }
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder)/\(server)", withDestinationPath: "\(directory)/\(server)")
    }
    let programs = try ControlPlanePrograms(directory: folder)
    print("\(folder) has \(programs.version)")
    let test = try await TestControlPlane.started { $0.programs = programs }
    try await test.configMap("one")
    await test.plane.stop()
}

/// A server that does not start is told with its own words, at once.
@Sendable private func wrongFlags() async throws {
    for server in [ControlPlaneServer.etcd, .apiServer, .scheduler] {
        let test = try TestControlPlane { $0.extraArguments = [server: ["--no-such-flag=1"]] }
        do {
            try await test.plane.start()
            try await test.plane.waitUntilReady(within: .seconds(180))
            throw Unexpected(description: "\(server) is ready with a flag that it does not have")
        } catch let error as ControlPlaneError {
            try expect(error.code == .ended && "\(error)".contains("no-such-flag"), "\(error)")
            print("after \(test.milliseconds) ms: \(error)".prefix(300))
        }
        await test.plane.stop()
        let notices = test.notices.take()
        try expect(notices.first?.server == server && notices.first?.wasExpected == false, "\(notices)")
    }
}
