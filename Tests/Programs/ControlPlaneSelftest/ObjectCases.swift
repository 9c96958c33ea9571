import Foundation
import JSON
import KubeClient
import KubeObjects
import Observations

@testable import Lab
@testable import Scenario

let objectCases: [(name: String, run: @Sendable () async throws -> Void)] = [("objects-of-files", objectsOfFiles)]

/// What a scenario file gives goes to real servers and comes back as endpoints, objects and events.
@Sendable private func objectsOfFiles() async throws {
    let test = try await TestControlPlane.started()
    let server = ServerStore(KubeClient(test.plane.admin, userAgent: "labrun", in: test.node.rawDescriptor))
    try await server.prepare(within: .seconds(30))
    try await server.follow(within: .seconds(30))
    print("followed after \(test.milliseconds) ms")
    let silence = server.silence
    try expect(silence.isEmpty, "\(silence)")
    for node in ["node1", "node2"] { try await register(node, test) }
    let file = try scenario(shop, timeline)
    let nodes = Task { await runPods(test) }
    let heartbeats = Task {
        while true {
            // A node of which nothing is heard for 40 s gets no pods.
            try await Task.sleep(for: .seconds(10))
            for node in TestControlPlane.nodes { try await saysThatItLives(node.name, node.address, test) }
        }
    }
    defer {
        nodes.cancel()
        heartbeats.cancel()
    }
    let begin = ContinuousClock.now
    try await server.apply(file.spec.served, within: .seconds(60))
    print("\(file.spec.served.count) objects applied in \(ContinuousClock.now - begin)")
    try await podsAreNamed(server)
    print("pods run \(ContinuousClock.now - begin) after the first object")
    try await objectsAreThere(server)
    let before = await server.events(within: .seconds(10))
    try expect(before.gap == nil && !before.events.isEmpty, "\(before)")
    try await stepsAreCarriedOut(server, file)
    try await refusalsHaveTheServersWords(server)
    try await eventsAreRead(server, since: before)
    await server.close()
    await test.plane.stop()
}

// MARK: Files

private let shop = """
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {team: a}}
    ---
    apiVersion: stable.example.com/v1
    kind: CronTab
    metadata: {name: first, namespace: shop}
    spec: {cronSpec: "* * * * */5", image: x}
    ---
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: crontabs.stable.example.com}
    spec:
      group: stable.example.com
      scope: Namespaced
      names: {plural: crontabs, singular: crontab, kind: CronTab}
      versions:
        - name: v1
          served: true
          storage: true
          schema:
            openAPIV3Schema:
              type: object
              properties: {spec: {type: object, properties: {cronSpec: {type: string}, image: {type: string}}}}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings, namespace: shop}
    data: {color: blue, debug: "false"}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: password, namespace: shop}
    stringData: {password: s3cr3t}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web, namespace: shop, labels: {app: web}}
    spec: {selector: {app: web}, type: NodePort, ports: [{name: http, port: 80, targetPort: 8080}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: alone, namespace: shop}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop}
    spec:
      replicas: 3
      template:
        metadata: {labels: {app: web}}
        spec:
          initContainers: [{name: wait, image: busybox, command: ["true"]}]
          tolerations: [{key: a, operator: Exists}]
          containers:
            - name: web
              ports: [{containerPort: 8080}]
              envFrom: [{configMapRef: {name: settings}}]
              readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 5}
              resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 32Mi}}
              volumeMounts: [{name: password, mountPath: /etc/password, readOnly: true}]
          volumes: [{name: password, secret: {secretName: password, defaultMode: 0640}}]
    ---
    apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: agent, namespace: shop}
    spec: {template: {metadata: {labels: {app: agent}}, spec: {hostNetwork: true, containers: [{name: agent}]}}}
    ---
    apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: log, namespace: shop}
    spec: {template: {metadata: {labels: {app: log}}, spec: {containers: [{name: log}]}}}
    ---
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: db, namespace: shop}
    spec:
      serviceName: db
      replicas: 2
      podManagementPolicy: Parallel
      selector: {matchLabels: {app: db}}
      template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: echo}]}}
    ---
    apiVersion: batch/v1
    kind: Job
    metadata: {name: once, namespace: shop}
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: busybox, command: ["true"]}]}}}
    ---
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: deny, namespace: shop}
    spec: {podSelector: {}, policyTypes: [Ingress]}
    ---
    apiVersion: cilium.io/v2
    kind: CiliumNetworkPolicy
    metadata: {name: web, namespace: shop}
    spec: {endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{}]}]}
    """

private let timeline = """
        - name: baseline
          expect:
            objects: [{kind: Deployment, name: web, namespace: shop, condition: Available}]
            matrix: [{from: shop/web-1, to: shop/db-0, outcome: open}]
        - name: changes
          apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {color: red}}
          scale: {deployment: web, namespace: shop, replicas: 2}
          delete: {kind: CronTab, name: first, namespace: shop}
    """

private func scenario(_ objects: String, _ timeline: String) throws -> ScenarioFile {
    let text = """
        apiVersion: labrun.dev/v1alpha1
        kind: Scenario
        metadata: {name: shop, title: A shop}
        spec:
          lab: eks-overlay
          overrides: {nodes: {count: 2}, controlPlane: {enabled: true}}
          timeline:
        \(timeline)
        ---
        \(objects)
        """
    let parser = ScenarioParser(faults: [], profiles: ScenarioLoader.labProfiles)
    let parsed = parser.parse(Array(text.utf8), file: "shop.yaml")
    guard let scenario = parsed.scenario else { throw Unexpected(description: "\(parsed.problems)") }
    return scenario
}

// MARK: Nodes

/// Nodes without machines.
private func register(_ name: String, _ test: TestControlPlane) async throws {
    let address = TestControlPlane.nodes.first { $0.name == name }?.address ?? ""
    try await test.create(.nodes, #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"\#(name)"}}"#)
    try await saysThatItLives(name, address, test)
}

private func saysThatItLives(_ name: String, _ address: String, _ test: TestControlPlane) async throws {
    let resources = #"{"cpu":"4","memory":"4Gi","pods":"110"}"#
    let now = ISO8601DateFormatter().string(from: Date())
    let status = """
        {"status":{"capacity":\(resources),"allocatable":\(resources),"addresses":[{"type":"InternalIP","address":
        "\(address)"}],"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","message":"",
        "lastHeartbeatTime":"\(now)","lastTransitionTime":"\(now)"}]}}
        """
    try await test.client.patch(
        .nodes, name: name, subresource: "status", .strategicMerge, KubeBody(octets: Array(status.utf8)),
        within: .seconds(20))
}

/// Says of each pod that it runs, as its node would.
private func runPods(_ test: TestControlPlane) async {
    var next = 1
    var seen: Set<String> = []
    for await update in Reflector(test.client, .pods, as: JSONValue.self).updates() {
        let pods: [JSONValue]
        switch update {
        case .listed(let all): pods = all
        case .added(let pod), .modified(let pod): pods = [pod]
        default: continue
        }
        for pod in pods {
            guard let metadata = pod["metadata"], let name = metadata["name"]?.text,
                let namespace = metadata["namespace"]?.text, let node = pod["spec"]?["nodeName"]?.text
            else { continue }
            guard metadata["deletionTimestamp"] == nil else {
                _ = try? await test.client.delete(
                    .pods, namespace: namespace, name: name, gracePeriod: 0, within: .seconds(10))
                continue
            }
            guard seen.insert("\(namespace)/\(name)").inserted else { continue }
            let address = pod["spec"]?["hostNetwork"] == .bool(true) ? "10.0.0.11" : "10.244.\(node.suffix(1)).\(next)"
            next += 1
            let body = """
                {"status":{"phase":"Running","podIP":"\(address)","podIPs":[{"ip":"\(address)"}],"conditions":[
                {"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}]}}
                """
            _ = try? await test.client.patch(
                .pods, namespace: namespace, name: name, subresource: "status", .strategicMerge,
                KubeBody(octets: Array(body.utf8)), within: .seconds(10))
        }
    }
}

// MARK: What is seen

private func podsAreNamed(_ server: ServerStore) async throws {
    let settled = try await server.wait(within: .seconds(60), quiet: .seconds(15)) {
        await server.unsettled(within: .seconds(5)).isEmpty
    }
    let left = await server.unsettled(within: .seconds(5))
    try expect(settled, "\(left)")
    let running = await server.runningPods
    let names = Set(running.map(\.planned.endpointID))
    let wanted: Set = [
        "shop/web-1", "shop/web-2", "shop/web-3", "shop/db-0", "shop/db-1", "shop/log-node1", "shop/log-node2",
        "shop/agent-node1", "shop/agent-node2", "shop/alone", "shop/once-1",
    ]
    try expect(names == wanted, "\(names.sorted())")
    let web = running.first { $0.planned.endpointID == "shop/web-1" }
    try expect(
        web?.planned.ownName?.hasPrefix("web-") == true && web?.planned.port == 8080, "\(String(describing: web))")
    try expect(running.first { $0.planned.name == "db-0" }?.planned.ownName == nil)
    try expect(running.filter(\.isOnHost).count == 2)
    let objects = await server.objects
    try expect(objects.nodes.count == 2 && objects.networkPolicies.count == 1, "\(objects.nodes.keys)")
    try expect(objects.ciliumNetworkPolicies.keys.first?.description == "shop/web")
    try expect(objects.namespaces[ObjectKey(namespace: "", name: "shop")]?.metadata.labels["team"] == "a")
    let slice = try await eventually("an endpoint slice with three ready endpoints") {
        await server.objects.endpointSlices.values.first {
            $0.service?.name == "web" && $0.endpoints.count { $0.conditions.isReady } == 3
        }
    }
    try expect(slice.endpoints.allSatisfy { $0.nodeName?.hasPrefix("node") == true }, "\(slice)")
    let service = server.services.first { $0.key.description == "shop/web" }
    try expect(service?.clusterAddresses.isEmpty == false && service?.spec.ports[0].nodePort != nil)
}

private func reading(_ server: ServerStore, _ query: ObjectQuery) async -> ObjectReading {
    await server.reading(of: query, within: .seconds(10))
}

private func objectsAreThere(_ server: ServerStore) async throws {
    func value(_ query: ObjectQuery, _ path: String) async throws -> String? {
        guard case .found(let object) = await reading(server, query) else { return nil }
        return try JSONPath(path).rendered(in: object)
    }
    let web = ObjectQuery(kind: "Deployment", namespace: "shop", name: "web")
    try expect(try await value(web, "{.status.readyReplicas}") == "3")
    try expect(try await value(web, "{.metadata.managedFields[?(@.manager==\"labrun\")].operation}") == "Apply")
    try expect(try await value(web, "{.spec.template.spec.volumes[0].secret.defaultMode}") == "416")
    let pod = ObjectQuery(kind: "Pod", namespace: "shop", name: "web-2")
    try expect(try await value(pod, "{.status.phase}") == "Running", "a pod by its name in the matrix")
    let tab = ObjectQuery(apiVersion: "stable.example.com/v1", kind: "CronTab", namespace: "shop", name: "first")
    try expect(try await value(tab, "{.spec.image}") == "x", "a custom resource")
    try expect(try await value(ObjectQuery(kind: "Node", name: "node1"), "{.status.capacity.cpu}") == "4")
    guard case .absent = await reading(server, ObjectQuery(kind: "Deployment", name: "web")) else {
        throw Unexpected(description: "there is a Deployment default/web")
    }
    for query in [
        ObjectQuery(kind: "Nothing", name: "x"), ObjectQuery(apiVersion: "apps/v9", kind: "Deployment", name: "web"),
        ObjectQuery(kind: "Node", namespace: "shop", name: "node1"),
    ] {
        guard case .unread = await reading(server, query) else {
            throw Unexpected(description: "\(query.words) was read")
        }
    }
}

private func stepsAreCarriedOut(_ server: ServerStore, _ file: ScenarioFile) async throws {
    let before = await server.runningPods.filter { $0.planned.name.hasPrefix("web-") }
    for action in file.spec.timeline[1].actions {
        switch action {
        case .applyServed(let manifests): try await server.apply(manifests, within: .seconds(20))
        case .scaleServed(let query, let replicas): try await server.scale(query, to: replicas, within: .seconds(20))
        case .deleteServed(let query): try await server.delete(query, within: .seconds(20))
        default: throw Unexpected(description: "\(action)")
        }
    }
    let map = ObjectQuery(kind: "ConfigMap", namespace: "shop", name: "settings")
    guard case .found(let settings) = await reading(server, map) else {
        throw Unexpected(description: "no settings")
    }
    // A field that the file no longer has is gone, as server-side apply has it.
    try expect(settings["data"] == .object(["color": .string("red")]), "\(settings)")
    let web = try await eventually("two pods of web") {
        let web = await server.runningPods.filter { $0.planned.name.hasPrefix("web-") }
        return web.count == 2 ? web : nil
    }
    for pod in web { try expect(before.contains(pod), "\(pod) has another name or address than before") }
    // Its numbers are free again.
    try await server.scale(
        ObjectQuery(kind: "Deployment", namespace: "shop", name: "web"), to: 3, within: .seconds(20))
    try await hasThreePods(server)
    // The next pod is called as the one that was deleted, which is gone all the same.
    try await server.delete(ObjectQuery(kind: "Pod", namespace: "shop", name: "web-1"), within: .seconds(20))
    try await hasThreePods(server)
}

private func hasThreePods(_ server: ServerStore) async throws {
    _ = try await eventually("three pods of web") {
        let names = Set(await server.runningPods.map(\.planned.name))
        return names.isSuperset(of: ["web-1", "web-2", "web-3"]) ? true : nil
    }
}

private func refusalsHaveTheServersWords(_ server: ServerStore) async throws {
    func refusal(_ object: String) async throws -> ObjectRefusal {
        let file = try scenario(object, "    - {name: a, expect: {diagnosis: {is: none}}}")
        do {
            try await server.apply(file.spec.served, within: .seconds(15))
        } catch let refusal as ObjectRefusal {
            return refusal
        }
        throw Unexpected(description: "the server takes \(object)")
    }
    let replicas = try await refusal(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: bad}
        spec: {replicas: -1, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: Bad}]}}}
        """)
    try expect(
        replicas.words.contains("spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        replicas.description)
    try expect(replicas.description.hasPrefix("shop.yaml:"), replicas.description)
    try expect(replicas.action == "apply Deployment bad", replicas.action)
    let type = try await refusal("{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: http}]}}")
    try expect(type.words.contains("port"), type.description)
    let kind = try await refusal("{apiVersion: example.com/v1, kind: Unheard, metadata: {name: x}}")
    try expect(
        kind.words == "no matches for kind \"Unheard\" in version \"example.com/v1\"", kind.description)
    let namespace = try await refusal(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: nowhere}, data: {a: b}}")
    try expect(namespace.words == "namespaces \"nowhere\" not found", namespace.description)
    do {
        try await server.delete(ObjectQuery(kind: "Deployment", name: "nobody"), within: .seconds(10))
        throw Unexpected(description: "what is not there was deleted")
    } catch let refusal as ObjectRefusal {
        try expect(refusal.words == "deployments.apps \"nobody\" not found", refusal.description)
    }
    print("refused: \(replicas)\nrefused: \(type)")
}

private func eventsAreRead(_ server: ServerStore, since before: ServedEvents) async throws {
    let file = try scenario(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: far}
        spec:
          template:
            metadata: {labels: {app: far}}
            spec: {nodeSelector: {moon: dark}, containers: [{name: a}]}
        """, "    - {name: a, expect: {events: [{reason: FailedScheduling, about: {kind: Pod, name: far-1}}]}}")
    try await server.apply(file.spec.served, within: .seconds(15))
    let event = try await eventually("an event of the scheduler") {
        await server.events(within: .seconds(10)).since(before).events.first { $0.reason == "FailedScheduling" }
    }
    try expect(event.podID == "far-1" && event.type == "Warning" && event.namespace == "default", event.words)
    print("event: \(event.words)")
    // The scheduler tells the event first, and the pod's condition then.
    let waiting = try await eventually("a pod that waits with its reason") {
        let waiting = server.waitingPods
        return waiting.first?.reason.contains("0/2 nodes are available") == true ? waiting : nil
    }
    try expect(waiting.map(\.planned.endpointID) == ["default/far-1"], "\(waiting)")
}
