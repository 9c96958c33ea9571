import CloudAPI
import ControlPlane
import Foundation
import JSON
import KubeClient
import ServerProgram
import Synchronization

@testable import CloudController
@testable import Lab

let cloudCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("cloud-controller", cloudControllerKeepsHouse)
]

/// A cloud whose machines are words: the test plays their kubelets.
private final class WordyCloud: CloudOwner {
    struct State {
        var machines: [CloudMachine]
        var data: [String: KubeletUserData] = [:]
        var balancers: [CloudLoadBalancer] = []
        var routes: [CloudRoute] = []
    }
    let state: Mutex<State>

    init() { state = Mutex(State(machines: [Self.machine("node1", "i-1", .running)])) }

    static func machine(_ node: String, _ id: String, _ state: CloudMachine.State) -> CloudMachine {
        CloudMachine(
            instanceID: id, node: node, state: state, instanceType: "t3.medium", zone: "lab-1a", region: "lab-1",
            privateAddress: "10.0.0.1\(node.last ?? "0")", privateName: node + ".internal")
    }

    func ask(_ request: AccountRequest) async throws -> AccountReply {
        try state.withLock { state in
            switch request.action {
            case .describeInstances: return AccountReply(machines: state.machines)
            case .describeInstanceTypes:
                let capacity = ["cpu": "4", "memory": "4Gi", "pods": "110"]
                return AccountReply(types: [
                    CloudMachineType(
                        name: "t3.medium", zone: "lab-1a", region: "lab-1", capacity: capacity, allocatable: capacity)
                ])
            case .runInstances:
                guard state.machines.count < 2 else {
                    throw CloudFailure(.insufficientInstanceCapacity, "none is left")
                }
                var made = Self.machine("node2", "i-2", .pending)
                made.clientToken = request.clientToken ?? ""
                state.machines.append(made)
                state.data["node2"] = request.kubelet
                return AccountReply(machines: [made])
            case .terminateInstances:
                for index in state.machines.indices where state.machines[index].instanceID == request.instanceID {
                    state.machines[index].state = .terminated
                }
                return AccountReply()
            case .describeRouteTables: return AccountReply(routes: state.routes)
            case .createRoute, .deleteRoute:
                state.routes.removeAll { $0.destination == request.route?.destination }
                if request.action == .createRoute, let route = request.route { state.routes.append(route) }
                return AccountReply()
            case .describeLoadBalancers: return AccountReply(loadBalancers: state.balancers)
            case .putLoadBalancer, .deleteLoadBalancer:
                state.balancers.removeAll { $0.name == request.loadBalancer?.name }
                guard request.action == .putLoadBalancer, var balancer = request.loadBalancer else {
                    return AccountReply()
                }
                balancer.address = "10.0.9.5"
                state.balancers.append(balancer)
                return AccountReply(loadBalancers: [balancer])
            }
        }
    }
}

/// The controller, with its own user's rights, completes a node, launches a machine for a pod only when the CNI's taint
/// is a startup taint, ends it when it is empty, and gives a service its address.
@Sendable private func cloudControllerKeepsHouse() async throws {
    let test = try await TestControlPlane.started()
    let server = ServerStore(KubeClient(test.plane.admin, userAgent: "labrun", in: test.node.rawDescriptor))
    try await server.prepare(within: .seconds(30), gateways: true)
    let cloud = WordyCloud()
    let client = test.client(try test.plane.server(for: .own(.cloudController)))
    let controller = Task {
        try await CloudControllerProgram.run(
            client, cloud: cloud,
            settings: CloudControllerSettings(
                autoscaler: true, routedPods: ["192.168.0.0/16"], gateways: true),
            identity: "selftest", health: HealthPage())
    }
    let heartbeats = Task {
        while true {
            try await Task.sleep(for: .seconds(10))
            for name in ["node1", "node2"] { try? await lives(name, test) }
        }
    }
    defer {
        controller.cancel()
        heartbeats.cancel()
    }
    try await register("node1", test, KubeletUserData())
    try await completes("node1", "aws:///lab-1a/i-1", test)
    try await routes(test, cloud)
    try await refuses(test)
    try await launches(test, cloud)
    try await ends(test, cloud)
    try await balances(test, cloud)
    try await opensGateways(test, cloud)
    controller.cancel()
    _ = await controller.result
    await client.close()
    await server.close()
    await test.plane.stop()
}

// MARK: The kubelets

private func register(_ name: String, _ test: TestControlPlane, _ data: KubeletUserData) async throws {
    let taints = data.taints.map { Taint(key: $0.key, value: $0.value, effect: $0.effect) } + [.uninitialized]
    let object = JSONValue.object([
        "apiVersion": .string("v1"), "kind": .string("Node"),
        "metadata": .object([
            "name": .string(name), "labels": .object(data.labels.mapValues { .string($0) }),
        ]),
        "spec": .object([
            "podCIDR": .string("192.168.\(name.last ?? "0").0/24"),
            "podCIDRs": .array([.string("192.168.\(name.last ?? "0").0/24")]),
            "taints": .array(
                taints.map {
                    .object(["key": .string($0.key), "value": .string($0.value), "effect": .string($0.effect)])
                }),
        ]),
    ])
    try await test.client.create(.nodes, KubeBody(object), within: .seconds(20))
    try await lives(name, test)
}

private func lives(_ name: String, _ test: TestControlPlane) async throws {
    let resources = #"{"cpu":"4","memory":"4Gi","pods":"110"}"#
    let now = Date().formatted(.iso8601)
    let status = """
        {"status":{"capacity":\(resources),"allocatable":\(resources),"conditions":[{"type":"Ready","status":"True",
        "reason":"KubeletReady","message":"","lastHeartbeatTime":"\(now)","lastTransitionTime":"\(now)"}]}}
        """
    try await test.client.patch(
        .nodes, name: name, subresource: "status", .strategicMerge, KubeBody(octets: Array(status.utf8)),
        within: .seconds(20))
}

// MARK: Steps

private func completes(_ name: String, _ providerID: String, _ test: TestControlPlane) async throws {
    try await eventually("\(name) to be completed") {
        let node = try KubeNode(try await test.client.get(.nodes, name: name, within: .seconds(5)))
        guard node.providerID == providerID, !node.taints.contains(where: { $0.key == Taint.uninitialized.key }),
            node.labels["topology.kubernetes.io/zone"] == "lab-1a",
            node.addresses.contains(where: { $0.type == "InternalDNS" })
        else { throw Unexpected(description: "\(node)") }
        return ()
    }
    print("\(name) completed after \(test.milliseconds) ms")
}

/// The node's own range is routed to its machine, and then that which its CiliumNode names.
private func routes(_ test: TestControlPlane, _ cloud: WordyCloud) async throws {
    func wait(for destination: String) async throws {
        try await eventually("a route to \(destination)") {
            let routes = cloud.state.withLock { $0.routes }
            let node = try KubeNode(try await test.client.get(.nodes, name: "node1", within: .seconds(5)))
            guard routes == [CloudRoute(destination: destination, instanceID: "i-1")],
                node.networkUnavailable == .init(isUnavailable: false, reason: "RouteCreated")
            else { throw Unexpected(description: "\(routes), \(node)") }
            return ()
        }
    }
    try await wait(for: "192.168.1.0/24")
    try await test.create(
        .ciliumNodes,
        """
        {"apiVersion":"cilium.io/v2","kind":"CiliumNode","metadata":{"name":"node1"},
         "spec":{"ipam":{"podCIDRs":["192.168.77.0/24"]}}}
        """)
    try await wait(for: "192.168.77.0/24")
}

private let agentNotReady = #"[{"key":"node.cilium.io/agent-not-ready","value":"true","effect":"NoSchedule"}]"#

private func pool(_ taints: String) -> String {
    """
    {"apiVersion":"karpenter.sh/v1","kind":"NodePool","metadata":{"name":"spot"},"spec":{
     "disruption":{"consolidateAfter":"1s"},
     "template":{"metadata":{"labels":{"example.com/pool":"spot"}},"spec":{"\(taints)":\(agentNotReady)}}}}
    """
}

private func events(about kind: String, _ test: TestControlPlane) async throws -> [String] {
    let list = try await test.client.list(.events, as: JSONValue.self, within: .seconds(5))
    return list.items.filter { $0["involvedObject"]?["kind"]?.text == kind }
        .map { "\($0["reason"]?.text ?? ""): \($0["message"]?.text ?? "")" }
}

private func refuses(_ test: TestControlPlane) async throws {
    try await test.create(.nodePools, pool("taints"))
    try await test.create(
        .pods, namespace: "default",
        """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"nodeSelector":{"example.com/pool":"spot"},
         "containers":[{"name":"c","image":"x","resources":{"requests":{"cpu":"1"}}}]}}
        """)
    try await eventually("the taint to be told") {
        let told = try await events(about: "Pod", test)
        let words = "did not tolerate node.cilium.io/agent-not-ready=true:NoSchedule"
        guard
            told.contains(where: { $0.hasPrefix("FailedScheduling: Failed to schedule pod, ") && $0.hasSuffix(words) })
        else { throw Unexpected(description: "\(told)") }
        return ()
    }
    let claims = try await test.client.list(.nodeClaims, as: JSONValue.self, within: .seconds(5))
    try expect(claims.items.isEmpty, "\(claims.items)")
}

private func launches(_ test: TestControlPlane, _ cloud: WordyCloud) async throws {
    let asked = test.milliseconds
    let patch = """
        {"spec":{"template":{"spec":{"taints":null,"startupTaints":\(agentNotReady)}}}}
        """
    try await test.client.patch(
        .nodePools, name: "spot", .merge, KubeBody(octets: Array(patch.utf8)), within: .seconds(20))
    let data = try await eventually("a machine to be launched") { cloud.state.withLock { $0.data["node2"] } }
    print("launched \(test.milliseconds - asked) ms after the pool was mended")
    try expect(data.labels["example.com/pool"] == "spot", "\(data)")
    try await register("node2", test, data)
    cloud.state.withLock { $0.machines[1].state = .running }
    try await completes("node2", "aws:///lab-1a/i-2", test)
    try await eventually("the claim to wait for the startup taint") {
        let claim = try await claim(test)
        guard claim.isTrue(.registered),
            claim.conditions.contains(where: { $0.reason == "StartupTaintsExist" })
        else { throw Unexpected(description: "\(claim)") }
        return ()
    }
    // The agent takes its taint off, as soon as it can be written.
    try await eventually("the taint to be off") {
        let node: JSONValue = try await test.client.get(.nodes, name: "node2", within: .seconds(5))
        let read = try KubeNode(node)
        let left = read.taints.filter { $0.key != "node.cilium.io/agent-not-ready" }
        let patch = JSONValue.object([
            "metadata": .object(["resourceVersion": .string(read.resourceVersion)]),
            "spec": .object([
                "taints": .array(
                    left.map {
                        .object(["key": .string($0.key), "value": .string($0.value), "effect": .string($0.effect)])
                    })
            ]),
        ])
        try await test.client.patch(.nodes, name: "node2", .merge, KubeBody(patch), within: .seconds(5))
        return ()
    }
    try await eventually("the pod to be bound") {
        let pod: JSONValue = try await test.client.get(.pods, namespace: "default", name: "web", within: .seconds(5))
        let claim = try await claim(test)
        guard pod["spec"]?["nodeName"]?.text == "node2", claim.isTrue(.initialized), claim.isTrue(.ready) else {
            throw Unexpected(description: "\(claim), \(try await events(about: "Pod", test))")
        }
        return ()
    }
    let told = try await events(about: "NodeClaim", test)
    for reason in ["Launched", "Registered", "Initialized"] {
        try expect(told.contains { $0.hasPrefix(reason + ": ") }, "\(told)")
    }
    let nominated = try await events(about: "Pod", test)
    try expect(
        nominated.contains { $0.hasPrefix("Nominated: Pod should schedule on: nodeclaim/spot-") }, "\(nominated)")
    print("bound \(test.milliseconds - asked) ms after the pool was mended")
}

private func claim(_ test: TestControlPlane) async throws -> NodeClaim {
    let list = try await test.client.list(.nodeClaims, as: JSONValue.self, within: .seconds(5))
    guard list.items.count == 1 else { throw Unexpected(description: "\(list.items.count) claims") }
    return try NodeClaim(list.items[0])
}

private func ends(_ test: TestControlPlane, _ cloud: WordyCloud) async throws {
    try await test.client.delete(.pods, namespace: "default", name: "web", gracePeriod: 0, within: .seconds(20))
    try await eventually("the empty machine to be ended") {
        let claims = try await test.client.list(.nodeClaims, as: JSONValue.self, within: .seconds(5))
        let nodes = try await test.client.list(.nodes, as: JSONValue.self, within: .seconds(5))
        let isEnded = cloud.state.withLock { $0.machines[1].state == .terminated }
        let routes = cloud.state.withLock { $0.routes.map(\.destination) }
        guard isEnded, claims.items.isEmpty, nodes.items.count == 1, routes == ["192.168.77.0/24"] else {
            throw Unexpected(
                description: "ended \(isEnded), \(claims.items.count) claims, \(nodes.items.count) nodes, \(routes)")
        }
        return ()
    }
}

private func balances(_ test: TestControlPlane, _ cloud: WordyCloud) async throws {
    try await test.create(
        .services, namespace: "default",
        """
        {"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"type":"LoadBalancer",
         "selector":{"app":"web"},"ports":[{"port":80}]}}
        """)
    try await eventually("the service's address") {
        let service = try BalancedService(
            try await test.client.get(.services, namespace: "default", name: "web", within: .seconds(5)))
        let targets = cloud.state.withLock { $0.balancers.first?.targets.map(\.address) }
        guard service.ingress == ["10.0.9.5"], service.finalizers == [BalancedService.finalizer],
            targets == ["10.0.0.11"]
        else { throw Unexpected(description: "\(service), \(targets ?? [])") }
        return ()
    }
    try await test.client.delete(.services, namespace: "default", name: "web", within: .seconds(20))
    try await eventually("the balancer to go") { cloud.state.withLock { $0.balancers.isEmpty } ? () : nil }
}

/// A gateway gets its Service, its load balancer and its address, and a route says why it is refused, with the rights
/// of the controller's own user.
private func opensGateways(_ test: TestControlPlane, _ cloud: WordyCloud) async throws {
    let gateway = "gateway.networking.k8s.io/v1"
    try await test.create(
        .gateways, namespace: "default",
        """
        {"apiVersion":"\(gateway)","kind":"Gateway","metadata":{"name":"front"},"spec":{"gatewayClassName":"cilium",
         "listeners":[{"name":"http","port":80,"protocol":"HTTP"}]}}
        """)
    try await test.create(
        .httpRoutes, namespace: "default",
        """
        {"apiVersion":"\(gateway)","kind":"HTTPRoute","metadata":{"name":"lost"},"spec":{
         "parentRefs":[{"name":"front"}],"rules":[{"backendRefs":[{"name":"none","port":80}]}]}}
        """)
    func reasons(_ conditions: JSONValue?) -> [String] {
        (conditions?.elements ?? []).compactMap { $0["reason"]?.text }
    }
    try await eventually("the gateway to be programmed") {
        let gateway: JSONValue = try await test.client.get(
            .gateways, namespace: "default", name: "front", within: .seconds(5))
        let route: JSONValue = try await test.client.get(
            .httpRoutes, namespace: "default", name: "lost", within: .seconds(5))
        let address = gateway["status"]?["addresses"]?.elements?.first?["value"]?.text
        let told = reasons(route["status"]?["parents"]?.elements?.first?["conditions"])
        guard address == "10.0.9.5", reasons(gateway["status"]?["conditions"]) == ["Accepted", "Programmed"],
            told == ["Accepted", "BackendNotFound"]
        else { throw Unexpected(description: "\(gateway.canonicalText) \(route.canonicalText)") }
        return ()
    }
    let made: JSONValue = try await test.client.get(
        .services, namespace: "default", name: "cilium-gateway-front", within: .seconds(5))
    try expect(
        made["metadata"]?["annotations"]?["labrun.dev/gateway-routes"]?.text?.contains("default/lost") == true,
        made.canonicalText)
    try await test.client.delete(.gateways, namespace: "default", name: "front", within: .seconds(20))
    try await eventually("the gateway's Service to go") {
        let services = try await test.client.list(.services, as: JSONValue.self, within: .seconds(5))
        let isThere = services.items.contains { $0["metadata"]?["name"]?.text == "cilium-gateway-front" }
        return !isThere && cloud.state.withLock { $0.balancers.isEmpty } ? () : nil
    }
}
