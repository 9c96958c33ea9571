import JSON
import Testing

@testable import Kubelet

@Suite struct ContainerTests {
    static let services = [
        ServiceAddress(
            namespace: "default", name: "kubernetes", clusterIP: "172.20.0.1",
            ports: [.init(name: "https", port: 443, protocolName: "TCP")]),
        ServiceAddress(
            namespace: "shop", name: "my-db", clusterIP: "172.20.0.7",
            ports: [.init(name: "", port: 5432, protocolName: "TCP")]),
        ServiceAddress(
            namespace: "other", name: "far", clusterIP: "172.20.0.9",
            ports: [.init(name: "", port: 1, protocolName: "TCP")]),
    ]

    func environment(_ container: String, more: String = "") throws -> [String: String] {
        var bench = try Bench()
        bench.feed(.services(Self.services))
        bench.objects[ObjectReference(kind: .configMap, namespace: "shop", name: "m")] = ObjectContent(
            data: ["A": Array("a".utf8), "1bad": [], "B": Array("$(A)".utf8)])
        bench.objects[ObjectReference(kind: .secret, namespace: "shop", name: "s")] = ObjectContent(
            data: ["pass": Array("word".utf8)])
        bench.feed(
            .pod(
                try pod(
                    #"{\#(more) "containers": [{"name": "app", "image": "busybox:1", \#(container)}]}"#,
                    metadata: #""labels": {"x": "1"}, "annotations": {"b": "t\"w", "a": "1"}"#)))
        let plan = try #require(bench.running.values.first, "\(bench.told)")
        if container.contains("envFrom") {
            #expect(
                bench.told.contains(
                    "Warning InvalidEnvironmentVariableNames: Keys [1bad] from the EnvFrom configMap shop/m were skipped "
                        + "since they are considered invalid environment variable names."))
        }
        return Dictionary(plan.environment.map { ($0.name, $0.value) }, uniquingKeysWith: { _, _ in "twice" })
    }

    @Test func variablesHaveTheirSources() throws {
        let made = try environment(
            #"""
            "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}},
            "envFrom": [{"configMapRef": {"name": "m"}}, {"prefix": "S_", "secretRef": {"name": "s"}},
              {"configMapRef": {"name": "gone", "optional": true}}],
            "env": [{"name": "A", "value": "mine"}, {"name": "TWO", "value": "$(A)-$(NONE)-$$(A)-$(MY_DB_SERVICE_HOST)"},
              {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
              {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
              {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
              {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x']"}}},
              {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
              {"name": "CPUM", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
              {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}},
              {"name": "ALL", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
              {"name": "PASS", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pass"}}},
              {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "no", "optional": true}}},
              {"name": "KUBERNETES_PORT", "value": "own"}]
            """#)
        let expected = [
            "A": "mine", "B": "$(A)", "S_pass": "word", "TWO": "mine-$(NONE)-$(A)-172.20.0.7", "NAME": "web",
            "IP": "10.1.0.5", "HOST": "10.0.0.11", "LABEL": "1", "CPU": "2", "CPUM": "1500", "MEM": "64",
            "ALL": "1073741824", "PASS": "word", "KUBERNETES_PORT": "own", "KUBERNETES_SERVICE_HOST": "172.20.0.1",
            "KUBERNETES_SERVICE_PORT": "443", "KUBERNETES_SERVICE_PORT_HTTPS": "443",
            "KUBERNETES_PORT_443_TCP": "tcp://172.20.0.1:443", "KUBERNETES_PORT_443_TCP_ADDR": "172.20.0.1",
            "KUBERNETES_PORT_443_TCP_PORT": "443", "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
            "MY_DB_SERVICE_HOST": "172.20.0.7", "MY_DB_SERVICE_PORT": "5432", "MY_DB_PORT": "tcp://172.20.0.7:5432",
            "MY_DB_PORT_5432_TCP": "tcp://172.20.0.7:5432", "MY_DB_PORT_5432_TCP_PROTO": "tcp",
            "MY_DB_PORT_5432_TCP_PORT": "5432", "MY_DB_PORT_5432_TCP_ADDR": "172.20.0.7", "HOSTNAME": "web",
            "LANG": "C",
        ]
        #expect(made == expected)
    }

    @Test func withoutServiceLinksOnlyTheAPIServerIsTold() throws {
        let made = try environment(#""env": []"#, more: #""enableServiceLinks": false,"#)
        #expect(made["KUBERNETES_SERVICE_HOST"] == "172.20.0.1" && made["MY_DB_SERVICE_HOST"] == nil)
    }

    @Test(arguments: [
        ("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$(A", "$(A"), ("$", "$"), ("a$b", "a$b"),
        ("$$", "$"), ("$(A)$(A)", "11"), ("$()", "$()"), ("x$(A)é", "x1é"), ("$(A$(A))", "$(A$(A))"),
    ])
    func references(text: String, expanded: String) {
        #expect(Expansion.expand(text) { $0 == "A" ? "1" : nil } == expanded)
    }

    @Test func commandsAndArguments() throws {
        for (fields, expected) in [
            (#""image": "curl:8""#, ["curl", "--version"]),
            (#""image": "curl:8", "args": ["-s", "$(X)"]"#, ["curl", "-s", "$(X)"]),
            (#""image": "curl:8", "command": ["dig"]"#, ["dig"]),
            (
                #""image": "curl:8", "command": ["$(P)"], "args": ["a"], "env": [{"name": "P", "value": "wget"}]"#,
                ["wget", "a"]
            ),
            (#""image": "registry.k8s.io/pause:3.2""#, []),
        ] {
            var bench = try Bench()
            bench.feed(.pod(try pod(#"{"containers": [{"name": "app", \#(fields)}]}"#)))
            let plan = try #require(bench.running.values.first)
            #expect(plan.arguments == expected)
            #expect(plan.workload == (fields.contains("pause") ? .builtIn("pause") : .program))
        }
    }

    // MARK: Volumes

    @Test func volumesAreFiles() throws {
        var bench = try Bench()
        let map = ObjectReference(kind: .configMap, namespace: "shop", name: "m")
        bench.objects[map] = ObjectContent(data: ["a": [1], "b": [2]])
        let spec = #"""
            {"securityContext": {"fsGroup": 7}, "volumes": [
              {"name": "all", "configMap": {"name": "m", "defaultMode": 256}},
              {"name": "one", "configMap": {"name": "m", "items": [{"key": "b", "path": "d/b", "mode": 420}]}},
              {"name": "none", "secret": {"secretName": "gone", "optional": true}},
              {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
              {"name": "host", "hostPath": {"path": "/run/x", "type": "Directory"}},
              {"name": "info", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
              {"name": "token", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 60}},
                {"configMap": {"name": "m", "items": [{"key": "a", "path": "ca.crt"}]}}]}}],
             "containers": [{"name": "app", "image": "busybox:1", "env": [{"name": "N", "value": "sub"}],
               "volumeMounts": [{"name": "all", "mountPath": "/a", "subPathExpr": "$(N)/x", "readOnly": true}]}]}
            """#
        bench.feed(.pod(try pod(spec, metadata: #""labels": {"b": "2", "a": "1"}"#)))
        let plans = try #require(
            bench.log.lazy.compactMap { if case .mountVolumes(_, let plans) = $0 { plans } else { nil } }.first)
        func files(_ name: String) -> [VolumeFile] {
            guard case .files(let files) = plans.first(where: { $0.name == name })?.source else { return [] }
            return files
        }
        #expect(
            files("all") == [
                VolumeFile(path: "a", content: [1], mode: 0o400), VolumeFile(path: "b", content: [2], mode: 0o400),
            ])
        #expect(files("one") == [VolumeFile(path: "d/b", content: [2], mode: 0o644)])
        #expect(files("none").isEmpty)
        #expect(plans.first { $0.name == "tmp" }?.source == .emptyDirectory(isMemory: true, sizeLimit: 1 << 20))
        #expect(plans.first { $0.name == "host" }?.source == .hostPath("/run/x", type: "Directory"))
        #expect(files("info").map { String(decoding: $0.content, as: UTF8.self) } == ["a=\"1\"\nb=\"2\""])
        #expect(files("token").map(\.path) == ["ca.crt", "token"])
        #expect(plans.allSatisfy { $0.name == "host" || $0.group == 7 })
        let request = TokenRequest(
            namespace: "shop", serviceAccount: "default",
            pod: PodIdentity(namespace: "shop", name: "web", uid: "uid-web"),
            audience: "vault", expirationSeconds: 600)
        #expect(bench.log.contains(.requestToken(request)))
        #expect(
            bench.running.values.first?.mounts
                == [MountPlan(volume: "all", path: "/a", subPath: "sub/x", isReadOnly: true)])

        // What changes reaches the files, all of a volume at once; a token is renewed in time.
        bench.log = []
        bench.feed(.object(map, ObjectContent(data: ["a": [3], "b": [2]])))
        let updated = bench.log.compactMap { if case .updateVolume(_, let plan) = $0 { plan.name } else { nil } }
        #expect(updated == ["all", "token"])
        bench.run(.seconds(2000))
        #expect(!bench.log.contains(.requestToken(request)))
        bench.run(.seconds(1000))
        #expect(bench.log.contains(.requestToken(request)))
    }

    @Test func aMissingObjectIsWaitedFor() throws {
        var bench = try Bench()
        let map = ObjectReference(kind: .configMap, namespace: "shop", name: "m")
        bench.feed(
            .pod(
                try pod(
                    #"{"volumes": [{"name": "cfg", "configMap": {"name": "m"}}], "containers": [{"name": "a", "image": "curl"}]}"#
                )))
        #expect(
            bench.told == [
                "Warning FailedMount: MountVolume.SetUp failed for volume \"cfg\" : configmap \"m\" not found"
            ])
        #expect(bench.log.contains(.follow(map)) && bench.phase() == "Pending")
        bench.run(.seconds(260))
        #expect(
            bench.told.contains(
                "Warning FailedMount: Unable to attach or mount volumes: unmounted volumes=[cfg], unattached volumes=[cfg]:"
                    + " timed out waiting for the condition"))
        bench.feed(.object(map, ObjectContent(data: [:])))
        bench.run(.seconds(130))
        #expect(bench.phase() == "Running")
        bench.feed(.podGone(PodIdentity(namespace: "shop", name: "web", uid: "uid-web")))
        #expect(bench.log.contains(.unfollow(map)))
    }

    @Test func pathsStayInTheirVolume() {
        for path in ["a", "a/b", "..a", "a..b"] { #expect(VolumeContents.isSafe(path), "\(path)") }
        for path in ["", "/a", "..", "a/../b", "a//b", "./a", "a/", "a\0"] {
            #expect(!VolumeContents.isSafe(path), "\(path)")
        }
    }

    // MARK: Resources

    @Test(arguments: [
        ("{}", "BestEffort", "cpu.weight=1", 1000),
        (#"{"requests": {"cpu": "250m", "memory": "512Mi"}}"#, "Burstable", "cpu.weight=10", 500),
        (
            #"{"limits": {"cpu": "1500m", "memory": "64Mi"}}"#, "Guaranteed",
            "cpu.weight=59 cpu.max=150000 100000 memory.max=67108864", -997
        ),
        (
            #"{"requests": {"memory": "1Mi"}, "limits": {"cpu": "1m"}}"#, "Burstable",
            "cpu.weight=1 cpu.max=1000 100000", 999
        ),
        (#"{"requests": {"memory": "4Gi"}}"#, "Burstable", "cpu.weight=1", 3),
    ])
    func resourcesBecomeCgroups(resources: String, quality: String, values: String, score: Int) throws {
        let pod = try pod(#"{"containers": [{"name": "app", "image": "curl", "resources": \#(resources)}]}"#)
        #expect(QualityOfService(pod.spec).rawValue == quality)
        let made = ControlGroups.container(pod.spec.containers[0])
        #expect(made.map { "\($0.file)=\($0.value)" }.joined(separator: " ") == values)
        #expect(ControlGroups.oomScoreAdjustment(pod, pod.spec.containers[0], memory: 1 << 30) == score)
    }

    @Test func aPodHasTheSumOfItsContainers() throws {
        let pod = try pod(
            #"""
            {"initContainers": [{"name": "i", "image": "x", "resources": {"limits": {"memory": "100"}}}],
             "containers": [{"name": "a", "image": "x", "resources": {"limits": {"memory": "30", "cpu": "1"}}},
                            {"name": "b", "image": "x", "resources": {"limits": {"memory": "40"}}}]}
            """#)
        #expect(ControlGroups.pod(pod.spec).map { "\($0.file)=\($0.value)" } == ["cpu.weight=39", "memory.max=100"])
    }
}
