import Foundation
import Hashing
import JSON
import KubeClient
import KubeObjects
import ServedObjects
import TestAPIServer

@testable import Lab

let mutationCases: [(name: String, run: @Sendable () async throws -> Void)] = [("mutated-requests", mutatedRequests)]

/// 10,000 requests with objects that are not as they should be, to real servers which an agent, a kubelet and the lab
/// follow. The servers answer each, nobody traps, and in the end everybody knows what the servers have.
@Sendable private func mutatedRequests() async throws {
    let test = try await TestControlPlane.started()
    let server = ServerStore(KubeClient(test.plane.admin, userAgent: "labrun", in: test.node.rawDescriptor))
    try await server.prepare(within: .seconds(30))
    try await server.follow(within: .seconds(30))
    for node in ["node1", "node2"] {
        try await test.create(.nodes, #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"\#(node)"}}"#)
    }
    // An object that no request names stays as it is.
    try await test.configMap("kept")
    let agent = FollowingAgent(KubeClient(test.plane.admin, userAgent: "agent", in: test.node.rawDescriptor))
    let kubelet = FollowingKubelet(KubeClient(test.plane.admin, userAgent: "kubelet", in: test.node.rawDescriptor))
    // One pod at least has what servers take and a kubelet cannot read.
    try await test.create(
        .pods, namespace: "default",
        #"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"unreadable","namespace":"default"},"spec":{
          "nodeName":"node1","terminationGracePeriodSeconds":-1,"containers":[{"name":"c","image":"curl:8"}]}}
        """#)
    let begin = ContinuousClock.now
    let answers = try await withThrowingTaskGroup(of: [Int: Int].self) { group in
        for sender in 0..<8 { group.addTask { try await send(1250, as: sender, test) } }
        return try await group.reduce(into: [Int: Int]()) { $0.merge($1, uniquingKeysWith: +) }
    }
    print("10,000 requests in \(ContinuousClock.now - begin): \(answers.sorted { $0.key < $1.key })")
    try expect(answers.values.reduce(0, +) == 10_000, "\(answers)")
    let taken = answers.filter { (200..<300).contains($0.key) }.values.reduce(0, +)
    let refused = answers.filter { (400..<500).contains($0.key) }.values.reduce(0, +)
    try expect(taken > 1000 && refused > 1000, "\(answers)")
    try expect(try await test.has(.configMaps, "kept"), "what nobody has named is gone")

    _ = try await eventually("what the agent knows to be what the server has") {
        let differences = try await agent.differences(test.client)
        if differences.isEmpty { return true }
        throw Unexpected(description: differences.prefix(5).joined(separator: "; "))
    }
    _ = try await eventually("what the lab knows to be what the server has") {
        let known = await server.objects
        let differences = try await FollowingAgent.differences(known, test.client)
        if differences.isEmpty { return true }
        throw Unexpected(description: differences.prefix(5).joined(separator: "; "))
    }
    _ = try await eventually("the kubelet's pods to be the server's") {
        let differences = try await kubelet.differences(test.client)
        if differences.isEmpty { return true }
        throw Unexpected(description: differences.prefix(5).joined(separator: "; "))
    }
    print("agent: \(agent.status); kubelet: \(kubelet.words)")
    try expect(kubelet.readings > 100 && kubelet.mistakes > 0, kubelet.words)
    agent.end()
    kubelet.end()
    await server.close()
    await test.plane.stop()
}

/// Sends requests for objects of the sender's own names, and counts the answers by status.
private func send(_ count: Int, as sender: Int, _ test: TestControlPlane) async throws -> [Int: Int] {
    var random = SplitMix64(seed: UInt64(9000 + sender))
    var answers: [Int: Int] = [:]
    for index in 0..<count {
        let seed = MutationSeed.all[index % MutationSeed.all.count]
        let name = "m\(sender)-\(Int.random(in: 0..<3, using: &random))"
        let object = seed.object(named: name)
        // Every fourth one is as it should be, so that there is something to change.
        let mutated = index % 4 == 0 ? object : MutatedJSON.value(object, &random)
        var request = KubeRequest(
            method: "POST", path: seed.resource.path(namespace: seed.namespace, name: nil),
            body: KubeBody(mutated).octets,
            contentType: "application/json")
        let path = seed.resource.path(namespace: seed.namespace, name: name)
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1: request.method = "PUT"
        case 2: (request.method, request.contentType) = ("PATCH", "application/merge-patch+json")
        case 3 where !seed.resource.group.contains("cilium"):
            (request.method, request.contentType) = ("PATCH", "application/strategic-merge-patch+json")
        case 4 where seed.hasStatus:
            (request.method, request.contentType) = ("PATCH", "application/merge-patch+json")
        case 5:
            request.method = "DELETE"
            request.body = Array(#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}"#.utf8)
        default: break
        }
        if request.method != "POST" {
            request.path =
                path + (request.method == "PATCH" && seed.hasStatus && Bool.random(using: &random) ? "/status" : "")
        }
        // Text that is no JSON is refused as a whole.
        if index % 16 == 1 { request.body = MutatedJSON.bytes(request.body, &random) }
        let response = try await test.client.send(request, within: .seconds(30))
        answers[response.status, default: 0] += 1
    }
    return answers
}

/// A kind of objects that agents or kubelets act on.
private struct MutationSeed: Sendable {
    let resource: KubeResource
    var namespace: String?
    var hasStatus = false
    let text: String

    func object(named name: String) -> JSONValue {
        (try? JSONText.value(of: Array(text.replacing("NAME", with: name).utf8))) ?? .null
    }

    static let all = [
        MutationSeed(
            resource: .pods, namespace: "default", hasStatus: true,
            text: #"""
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "NAME", "namespace": "default",
                  "labels": {"app": "web"}, "annotations": {"a": "b"}},
                 "spec": {"nodeName": "node1", "restartPolicy": "Always", "terminationGracePeriodSeconds": 1,
                  "containers": [{"name": "c", "image": "curl:8", "env": [{"name": "A", "value": "b"}],
                    "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "protocol": "TCP"}],
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "8Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 3},
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                  "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]},
                 "status": {"phase": "Running", "podIP": "10.244.1.5", "podIPs": [{"ip": "10.244.1.5"}],
                  "conditions": [{"type": "Ready", "status": "True"}]}}
                """#),
        MutationSeed(
            resource: .services, namespace: "default", hasStatus: true,
            text: #"""
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "NAME", "labels": {"app": "web"}},
                 "spec": {"selector": {"app": "web"}, "type": "NodePort", "sessionAffinity": "ClientIP",
                  "externalTrafficPolicy": "Local", "externalIPs": ["198.51.100.7"],
                  "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
                    {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"}]},
                 "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}}
                """#),
        MutationSeed(
            resource: .endpointSlicesBeta, namespace: "default",
            text: #"""
                {"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice",
                 "metadata": {"name": "NAME", "labels": {"kubernetes.io/service-name": "m0-0"}},
                 "addressType": "IPv4", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
                 "endpoints": [{"addresses": ["10.244.1.5"], "conditions": {"ready": true},
                   "topology": {"kubernetes.io/hostname": "node1"}}]}
                """#),
        MutationSeed(
            resource: .networkPolicies, namespace: "default",
            text: #"""
                {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "NAME"},
                 "spec": {"podSelector": {"matchLabels": {"app": "web"},
                   "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]},
                  "policyTypes": ["Ingress", "Egress"],
                  "ingress": [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                    "ports": [{"port": 80, "protocol": "TCP"}, {"port": "http"}]}],
                  "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]}}
                """#),
        MutationSeed(
            resource: .ciliumNetworkPolicies, namespace: "default",
            text: #"""
                {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "NAME"},
                 "spec": {"endpointSelector": {"matchLabels": {"app": "web"}},
                  "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "front"}}],
                    "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}],
                      "rules": {"http": [{"method": "GET", "path": "/public.*"}]}}]}],
                  "egress": [{"toFQDNs": [{"matchName": "example.com"}], "toCIDRSet": [{"cidr": "10.0.0.0/8"}]}]}}
                """#),
        MutationSeed(
            resource: .nodes, hasStatus: true,
            text: #"""
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "NAME", "labels": {"zone": "a"}},
                 "spec": {"podCIDR": "10.244.9.0/24", "taints": [{"key": "a", "effect": "NoSchedule"}]},
                 "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.19"}],
                  "capacity": {"cpu": "4", "memory": "4Gi", "pods": "110"},
                  "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}}
                """#),
        MutationSeed(
            resource: .namespaces,
            text: #"""
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "NAME", "labels": {"team": "a"}}}
                """#),
        MutationSeed(
            resource: .ciliumNodes,
            text: #"""
                {"apiVersion": "cilium.io/v2", "kind": "CiliumNode", "metadata": {"name": "NAME"},
                 "spec": {"addresses": [{"type": "InternalIP", "ip": "10.0.0.19"},
                   {"type": "CiliumInternalIP", "ip": "10.244.9.1"}], "health": {"ipv4": "10.244.9.2"},
                  "ipam": {"podCIDRs": ["10.244.9.0/24"], "pool": {"10.244.9.3": {"resource": "eni-1"}}}}}
                """#),
        MutationSeed(
            resource: .ciliumEndpoints, namespace: "default",
            text: #"""
                {"apiVersion": "cilium.io/v2", "kind": "CiliumEndpoint", "metadata": {"name": "NAME"},
                 "status": {"id": 7, "identity": {"id": 5000, "labels": ["k8s:app=web"]}, "state": "ready",
                  "networking": {"addressing": [{"ipv4": "10.244.1.5"}], "node": "10.0.0.11"}}}
                """#),
    ]
}
