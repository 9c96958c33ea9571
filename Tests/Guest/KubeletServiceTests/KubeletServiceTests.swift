import JSON
import Kubelet
import KubeletServer
import TestAPIServer
import Testing

@testable import KubeletService

/// The service with an API server and a pod runtime that are both fakes: what goes over the wire is real.
@Suite(.serialized, .timeLimit(.minutes(2))) struct KubeletServiceTests {
    private static let images = #"{"images":[{"names":["app"],"builtIn":"echo"},{"names":["tool"],"command":["sh"]}]}"#
    private static let node = "/api/v1/nodes/node1"
    private static let web = "/api/v1/namespaces/default/pods/web"

    private func run(_ body: (TestAPIServer, FakePodRuntime, KubeletService) async throws -> Void) async throws {
        let server = try TestAPIServer()
        let runtime = FakePodRuntime()
        let machine = KubeletService.Machine(
            system: NodeSystem(
                machineID: "m", systemUUID: "s", bootID: "b", kernelVersion: "6.1", osImage: "test",
                containerRuntimeVersion: "labrun://1.0"),
            resources: NodeResources(milliCPU: 4000, memory: 8 << 30))
        let service = try KubeletService(
            try server.configuration(images: Self.images), machine: machine, runtime: runtime, note: { _ in })
        let task = Task { await service.run() }
        defer { task.cancel() }
        try await body(server, runtime, service)
        task.cancel()
        await task.value
    }

    private func pod(_ container: String = #""name":"main","image":"app""#, _ spec: String = "") throws -> JSONValue {
        try JSONText.value(
            of: Array(
                (#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default","uid":"u-1","#
                    + #""labels":{"app":"web"}},"spec":{"nodeName":"node1","terminationGracePeriodSeconds":1,"#
                    + #""containers":[{\#(container)}]\#(spec)},"status":{"phase":"Pending"}}"#).utf8))
    }

    private func condition(_ object: JSONValue?, _ type: String) -> JSONValue? {
        object?["status"]?["conditions"]?.elements?.first { $0["type"]?.text == type }
    }

    private func state(_ object: JSONValue?) -> JSONValue? {
        object?["status"]?["containerStatuses"]?.elements?.first?["state"]
    }

    private func ready(_ server: TestAPIServer, _ runtime: FakePodRuntime) async throws {
        _ = try await server.wait("node") { server.object(Self.node) }
        runtime.setNetwork(problem: nil)
        try await server.wait("a ready node") {
            condition(server.object(Self.node), "Ready")?["status"]?.text == "True" ? () : nil
        }
    }

    @Test func `a node registers, keeps its lease, and is ready when its network is`() async throws {
        try await run { server, runtime, _ in
            let node = try await server.wait("node") { server.object(Self.node) }
            let notReady = try #require(condition(node, "Ready"))
            #expect(notReady["status"]?.text == "False")
            #expect(notReady["reason"]?.text == "KubeletNotReady")
            #expect(notReady["message"]?.text?.contains("cni plugin not initialized") == true)
            let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1"
            _ = try await server.wait("lease") { server.object(lease) }
            try await ready(server, runtime)
            #expect(server.object(lease)?["spec"]?["holderIdentity"]?.text == "node1")
        }
    }

    @Test func `a pod comes up, and goes when it is deleted`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            server.put(Self.web, try pod())
            let up = try await server.wait("a ready pod") {
                condition(server.object(Self.web), "Ready")?["status"]?.text == "True" ? server.object(Self.web) : nil
            }
            #expect(up["status"]?["phase"]?.text == "Running")
            #expect(up["status"]?["podIP"]?.text == "10.244.0.1")
            #expect(up["status"]?["hostIP"]?.text == "10.0.0.11")
            server.deletePod(Self.web, grace: 1)
            try await server.wait("the pod's end") { server.object(Self.web) == nil ? () : nil }
            #expect(runtime.calls.contains("signal main 15"))
            #expect(runtime.calls.contains("remove web"))
            #expect(!runtime.calls.contains("kill main"))
            try await server.wait("the pod's folders' end") { runtime.calls.contains("forget web") ? () : nil }
        }
    }

    @Test func `what ignores SIGTERM is killed after its grace`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            runtime.heedSIGTERM(false)
            server.put(Self.web, try pod())
            try await server.wait("start") { runtime.running.isEmpty ? nil : () }
            server.deletePod(Self.web, grace: 1)
            try await server.wait("the pod's end") { server.object(Self.web) == nil ? () : nil }
            let calls = runtime.calls
            let term = try #require(calls.firstIndex(of: "signal main 15"))
            let kill = try #require(calls.firstIndex(of: "kill main"))
            #expect(term < kill)
        }
    }

    @Test func `a container that ends is started again, and its log stays readable`() async throws {
        try await run { server, runtime, service in
            try await ready(server, runtime)
            server.put(Self.web, try pod())
            try await server.wait("start") { state(server.object(Self.web))?["running"].map { _ in } }
            runtime.end("main", ContainerExit(exitCode: 3))
            let again = try await server.wait("restart") { () -> JSONValue? in
                let status = server.object(Self.web)?["status"]?["containerStatuses"]?.elements?.first
                return status?["restartCount"]?.integerValue == 1 && status?["state"]?["running"] != nil ? status : nil
            }
            #expect(again["lastState"]?["terminated"]?["exitCode"]?.integerValue == 3)
            let backend = ServiceBackend(service: service)
            let main = ContainerReference(
                pod: PodReference(namespace: "default", name: "web"), container: "main")
            let (now, before) = (
                try await backend.log(of: main, previous: false), try await backend.log(of: main, previous: true)
            )
            #expect(String(decoding: now.tail(bytes: 100), as: UTF8.self) == "started 1\n")
            #expect(String(decoding: before.tail(bytes: 100), as: UTF8.self) == "started 0\n")
        }
    }

    @Test func `a program that does not start is told in the runtime's words`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            runtime.failStarts([#"exec: "nosuch": executable file not found in $PATH"#])
            server.put(Self.web, try pod(#""name":"main","image":"tool","command":["nosuch"]"#))
            try await server.wait("the failure") {
                "\(server.object(Self.web)?["status"] ?? .null)".contains("executable file not found") ? () : nil
            }
        }
    }

    @Test func `an image that nobody knows is not pulled`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            server.put(Self.web, try pod(#""name":"main","image":"example.org/x:1""#))
            let waiting = try await server.wait("ErrImagePull") { state(server.object(Self.web))?["waiting"] }
            #expect(["ErrImagePull", "ImagePullBackOff", "ContainerCreating"].contains(waiting["reason"]?.text))
            try await server.wait("the event") {
                server.requests.contains("POST /api/v1/namespaces/default/events") ? () : nil
            }
            #expect(!runtime.calls.contains("start main"))
        }
    }

    @Test func `files come from ConfigMaps and change with them`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            let map = "/api/v1/namespaces/default/configmaps/conf"
            func conf(_ text: String) -> JSONValue {
                .object([
                    "metadata": .object(["name": .string("conf"), "namespace": .string("default")]),
                    "data": .object(["a": .string(text)]),
                ])
            }
            server.put(map, conf("1"))
            server.put(
                Self.web,
                try pod(
                    #""name":"main","image":"app","volumeMounts":[{"name":"c","mountPath":"/c"}]"#,
                    #","volumes":[{"name":"c","configMap":{"name":"conf"}}]"#))
            func content() -> [UInt8]? {
                guard case .files(let files)? = runtime.volumes(of: "web").first?.source else { return nil }
                return files.first?.content
            }
            try await server.wait("the file") { content() == Array("1".utf8) ? () : nil }
            try await server.wait("start") { runtime.running.isEmpty ? nil : () }
            server.put(map, conf("2"))
            try await server.wait("the changed file") { content() == Array("2".utf8) ? () : nil }
            #expect(runtime.calls.contains("update web c"))
        }
    }

    @Test func `a network plugin's refusal is told, and tried again`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            runtime.failSandboxes([#"plugin type="x" failed (add): no free address"#])
            server.put(Self.web, try pod())
            try await server.wait("a second try", within: .seconds(30)) { runtime.running.isEmpty ? nil : () }
            #expect(runtime.calls.filter { $0 == "sandbox web" }.count == 2)
        }
    }

    @Test func `pods go on while the API server is away, and are told of afterwards`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            server.put(Self.web, try pod())
            try await server.wait("start") { state(server.object(Self.web))?["running"].map { _ in } }
            server.setBroken(true)
            runtime.end("main", ContainerExit(exitCode: 7))
            try await server.wait("a restart") { runtime.calls.filter { $0 == "start main" }.count == 2 ? () : nil }
            #expect(
                server.object(Self.web)?["status"]?["containerStatuses"]?.elements?.first?["restartCount"]?
                    .integerValue == 0)
            server.setBroken(false)
            try await server.wait("the report", within: .seconds(40)) {
                server.object(Self.web)?["status"]?["containerStatuses"]?.elements?.first?["restartCount"]?
                    .integerValue == 1 ? () : nil
            }
        }
    }

    @Test func `a program in a container decides a probe`() async throws {
        try await run { server, runtime, _ in
            try await ready(server, runtime)
            runtime.answerPrograms(1, "not yet")
            server.put(
                Self.web,
                try pod(
                    #""name":"main","image":"app","readinessProbe":{"exec":{"command":["check"]},"periodSeconds":1}"#))
            try await server.wait("start") { state(server.object(Self.web))?["running"].map { _ in } }
            #expect(condition(server.object(Self.web), "Ready")?["status"]?.text == "False")
            runtime.answerPrograms(0, "")
            try await server.wait("ready") {
                condition(server.object(Self.web), "Ready")?["status"]?.text == "True" ? () : nil
            }
        }
    }
}
