import ControlPlane
import Foundation
import Glibc
import JSON
import KubeClient
import Operator
import ServedObjects
import ServerProgram

@testable import Lab

let operatorCases: [(name: String, run: @Sendable () async throws -> Void)] = [("operator", operatorKeepsHouse)]

/// The operator gives ranges and takes them back, keeps them over its own end, deletes what nobody uses, and may do
/// nothing beyond its role.
@Sendable private func operatorKeepsHouse() async throws {
    let broken = try TestControlPlane { $0.ownSettings = [.datapathOperator: "{}"] }
    try await broken.plane.start()
    try await broken.plane.waitUntilReady(within: .seconds(120))
    do {
        try await broken.plane.start(.datapathOperator)
        throw Unexpected(description: "an operator without settings runs")
    } catch let error as ControlPlaneError {
        try expect(error.code == .ended && "\(error)".contains("fatal error"), "\(error)")
    }
    await broken.plane.stop()

    let text = try String(
        decoding: JSONEncoder().encode(
            OperatorSettings(
                pool: ["10.244.0.0/24"], maskSize: 26, planned: ["node1": "10.244.0.128/26"], roundSeconds: 1)),
        as: UTF8.self)
    let test = try TestControlPlane { $0.ownSettings = [.datapathOperator: text] }
    try await test.plane.start()
    let server = ServerStore(KubeClient(test.plane.admin, userAgent: "labrun", in: test.node.rawDescriptor))
    try await test.plane.waitUntilServing(within: .seconds(120))
    try await server.prepare(within: .seconds(30))
    print("definitions served after \(test.milliseconds) ms")
    try await test.plane.start(.datapathOperator)
    print("operator healthy after \(test.milliseconds) ms")
    try await test.plane.waitUntilReady(within: .seconds(120))
    print("ready after \(test.milliseconds) ms")

    try await gives(test)
    try await keepsOverItsEnd(test)
    try await deletes(test)
    try await mayDoNoMore(test)
    try await tokens(test, server)
    await test.printUsage()
    await server.close()
    await test.plane.stop()
}

private func createNode(_ name: String, _ test: TestControlPlane) async throws {
    // Without its Node, a CiliumNode goes.
    try await test.create(.nodes, #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"\#(name)"}}"#)
    try await createCiliumNode(name, test)
}

private func createCiliumNode(_ name: String, _ test: TestControlPlane) async throws {
    let node = CiliumNode(metadata: ObjectHead(name: name), addresses: [.init(type: "InternalIP", ip: "10.0.0.11")])
    try await test.client.create(.ciliumNodes, KubeBody(node.json), within: .seconds(20))
}

private func node(_ name: String, _ test: TestControlPlane) async throws -> CiliumNode {
    try CiliumNode(try await test.client.get(.ciliumNodes, name: name, as: JSONValue.self, within: .seconds(20)))
}

private func hasRange(_ name: String, _ range: String, _ test: TestControlPlane) async throws {
    let begin = ContinuousClock.now
    _ = try await eventually("\(name) has \(range)", within: .seconds(30)) {
        let node = try await node(name, test)
        if node.podCIDRs == [range] { return true }
        throw Unexpected(description: "\(node)")
    }
    print("\(name) has \(range) after \(ContinuousClock.now - begin)")
}

private func gives(_ test: TestControlPlane) async throws {
    for (name, range) in [("node1", "10.244.0.128/26"), ("x", "10.244.0.64/26"), ("y", "10.244.0.192/26")] {
        try await createNode(name, test)
        try await hasRange(name, range, test)
    }
    try await createNode("late", test)
    let error = try await eventually("the pool is used up") { try await node("late", test).operatorError }
    try expect(error.contains("10.244.0.0/24 has 3 shares of /26, and all are taken"), error)
    try await test.client.delete(.ciliumNodes, name: "x", within: .seconds(20))
    try await hasRange("late", "10.244.0.64/26", test)
    _ = try await eventually("what it lacked is taken back") {
        try await node("late", test).operatorError == nil ? true : nil
    }
}

/// The lease of an operator that was killed runs out before the next one does anything.
private func keepsOverItsEnd(_ test: TestControlPlane) async throws {
    let before = try await node("late", test)
    try await test.plane.kill(.datapathOperator)
    let probe = await test.plane.probe(.datapathOperator)
    try expect(!probe.isRunning && !probe.isHealthy, "\(probe)")
    let end = test.notices.take().first { $0.server == .datapathOperator }
    try expect(end?.wasExpected == true, "\(String(describing: end))")
    try await test.client.delete(.ciliumNodes, name: "y", within: .seconds(20))
    try await createCiliumNode("y", test)
    try await test.plane.start(.datapathOperator)
    try await hasRange("y", "10.244.0.192/26", test)
    try expect(try await node("late", test).podCIDRs == before.podCIDRs)
    // One that is asked to end gives its lease back.
    try await test.plane.kill(.datapathOperator, signal: SIGTERM)
    let lease = try await test.client.get(
        .leases, namespace: "kube-system", name: "cilium-operator-resource-lock", as: JSONValue.self,
        within: .seconds(20))
    try expect(lease["spec"]?["holderIdentity"]?.text == "", "\(lease)")
    try await test.plane.start(.datapathOperator)
}

private func deletes(_ test: TestControlPlane) async throws {
    let (used, unused) = (
        CiliumIdentity(number: 4711, labels: ["k8s:app=used"]), CiliumIdentity(number: 4712, labels: ["k8s:app=unused"])
    )
    try await test.create(
        .pods, namespace: "default",
        #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"a","image":"b"}]}}"#)
    for name in ["web", "gone"] {
        let endpoint = CiliumEndpoint(
            metadata: ObjectHead(name: name, namespace: "default"), id: 7, identity: name == "web" ? 4711 : 4712,
            labels: [], addresses: ["10.244.0.130"], node: "10.0.0.11")
        try await test.client.create(
            .ciliumEndpoints, namespace: "default", KubeBody(endpoint.json), within: .seconds(20))
    }
    for identity in [used, unused] {
        try await test.client.create(.ciliumIdentities, KubeBody(identity.json), within: .seconds(20))
    }
    try await createCiliumNode("nobody", test)
    let begin = ContinuousClock.now
    for (resource, namespace, name) in [
        (KubeResource.ciliumEndpoints, "default", "gone"), (.ciliumNodes, nil, "nobody"),
        (.ciliumIdentities, nil, "4712"),
    ] as [(KubeResource, String?, String)] {
        _ = try await eventually("\(name) is gone", within: .seconds(30)) {
            try await test.status(test.client, resource.path(namespace: namespace, name: name)) == 404 ? true : nil
        }
    }
    print("what nobody uses is gone after \(ContinuousClock.now - begin)")
    for path in [
        KubeResource.ciliumIdentities.path(namespace: nil, name: "4711"),
        KubeResource.ciliumEndpoints.path(namespace: "default", name: "web"),
        KubeResource.ciliumNodes.path(namespace: nil, name: "node1"),
    ] { try expect(try await test.status(test.client, path) == 200, path) }
}

private func mayDoNoMore(_ test: TestControlPlane) async throws {
    let client = test.client(try test.plane.server(for: .own(.datapathOperator)))
    try expect(try await test.status(client, "/api/v1/secrets") == 403)
    try expect(try await test.status(client, "/api/v1/nodes/node1", method: "DELETE") == 403)
    try expect(try await test.status(client, "/apis/cilium.io/v2/ciliumnodes") == 200)
    await client.close()
}

/// Agents are let in by tokens, and may do what their role says.
private func tokens(_ test: TestControlPlane, _ server: ServerStore) async throws {
    var access = test.plane.admin
    access.credential = .token(try await server.agentToken(within: .seconds(20)))
    let agent = test.client(access)
    for path in [
        "/api/v1/pods", "/api/v1/nodes", "/api/v1/services", "/api/v1/namespaces",
        "/apis/networking.k8s.io/v1/networkpolicies", "/apis/cilium.io/v2/ciliumnetworkpolicies",
        "/apis/cilium.io/v2/ciliumendpoints", "/version",
    ] { try expect(try await test.status(agent, path) == 200, path) }
    try expect(try await test.status(agent, "/api/v1/secrets") == 403)
    await agent.close()
}
