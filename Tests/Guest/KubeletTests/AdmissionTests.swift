import JSON
import Testing

@testable import Kubelet

@Suite struct AdmissionTests {
    static let container = #""containers": [{"name": "app", "image": "curl"}]"#

    @Test(arguments: [
        (#"{"nodeSelector": {"zone": "b"}, \#(container)}"#, "NodeAffinity", "Predicate NodeAffinity failed"),
        (
            #"""
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}]}}}, \#(container)}
            """#, "NodeAffinity", "Predicate NodeAffinity failed"
        ),
        (
            #"{"containers": [{"name": "a", "image": "curl", "resources": {"requests": {"cpu": "1500m"}}}]}"#,
            "OutOfcpu",
            "Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000"
        ),
        (
            #"{"containers": [{"name": "a", "image": "curl", "resources": {"limits": {"memory": "2Gi"}}}]}"#,
            "OutOfmemory",
            "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824"
        ),
        (
            #"{"containers": [{"name": "a", "image": "curl", "ports": [{"containerPort": 1, "hostPort": 80}]}]}"#,
            "NodePorts", "Predicate NodePorts failed"
        ),
        (
            #"{"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}, \#(container)}"#,
            "SysctlForbidden", "forbidden sysctl: \"kernel.msgmax\" not whitelisted"
        ),
        (
            #"{"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}, \#(container)}"#,
            "SysctlForbidden", "forbidden sysctl: \"net.core.somaxconn\" not allowed with host net enabled"
        ),
        (
            #"{"hostPID": true, \#(container)}"#, "UnsupportedField",
            "asks for what this node does not have: spec.hostPID: a pod's processes are not those of the node"
        ),
    ])
    func whatIsNotTaken(spec: String, reason: String, message: String) throws {
        var bench = try Bench()
        let other = #"""
            {"containers": [{"name": "a", "image": "curl", "resources": {"requests": {"cpu": "600m"}},
            "ports": [{"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.11"}]}]}
            """#
        bench.feed(.pod(try pod(other, name: "other")), .pod(try pod(spec)))
        #expect(bench.told.contains("Warning \(reason): \(message)"))
        #expect(bench.phase() == "Failed" && bench.status()["reason"]?.text == reason)
        #expect(bench.status()["message"]?.text == "Pod " + message)
        #expect(bench.phase("other") == "Running" && bench.running.count == 1)
        // It is deleted like any other.
        bench.feed(
            .pod(
                try pod(
                    spec, metadata: #""deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0"#)))
        #expect(bench.mind.podObjects.count == 1)
    }

    @Test(arguments: [
        #"{"nodeSelector": {"zone": "a"}, \#(container)}"#,
        #"""
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
         {"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]},
         {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}]}}}, \#(container)}
        """#,
        #"{"containers": [{"name": "a", "image": "curl", "ports": [{"containerPort": 1, "hostPort": 80, "protocol": "UDP"}]}]}"#,
        #"{"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}, \#(container)}"#,
    ])
    func whatIsTaken(spec: String) throws {
        var bench = try Bench()
        let other =
            #"{"containers": [{"name": "a", "image": "curl", "ports": [{"containerPort": 1, "hostPort": 80}]}]}"#
        bench.feed(.pod(try pod(other, name: "other")), .pod(try pod(spec)))
        #expect(bench.phase() == "Running")
    }

    @Test func whatHasEndedAsksForNothing() throws {
        var bench = try Bench()
        let spec = #"""
            {"restartPolicy": "Never", "containers": [{"name": "a", "image": "curl", "resources": {"requests": {"cpu": "2"}}}]}
            """#
        bench.feed(.pod(try pod(spec, name: "one")))
        try bench.exit("a", 0)
        bench.feed(.pod(try pod(spec, name: "two")), .pod(try pod(spec, name: "three")))
        #expect(bench.phase("two") == "Running" && bench.status("three")["reason"]?.text == "OutOfcpu")
    }

    // MARK: Capabilities

    /// A spec that the API server has filled in, and every field that a node acts on.
    @Test func nothingThatIsUsualIsRefused() throws {
        let spec = try json(
            #"""
            {"activeDeadlineSeconds": 5, "automountServiceAccountToken": true, "dnsPolicy": "ClusterFirst",
             "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "z"}]},
              "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}},
             "enableServiceLinks": true, "hostIPC": false, "hostPID": false, "hostUsers": true, "os": {"name": "linux"},
             "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "restartPolicy": "Always", "overhead": {},
             "schedulerName": "default-scheduler", "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
             "serviceAccount": "default", "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
             "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
               "tolerationSeconds": 300}], "topologySpreadConstraints": [{"maxSkew": 1}], "imagePullSecrets": [{"name": "s"}],
             "volumes": [{"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
               {"name": "b", "projected": {"defaultMode": 420, "sources": [
                 {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                 {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                 {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}},
               {"name": "c", "secret": {"secretName": "s", "defaultMode": 420}},
               {"name": "d", "hostPath": {"path": "/run", "type": ""}}],
             "initContainers": [{"name": "i", "image": "x", "resources": {}, "imagePullPolicy": "Always"}],
             "containers": [{"name": "c", "image": "x", "args": ["a"], "command": ["b"], "imagePullPolicy": "IfNotPresent",
               "env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
               "envFrom": [{"configMapRef": {"name": "m"}}], "lifecycle": {"preStop": {"exec": {"command": ["x"]}}},
               "livenessProbe": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "failureThreshold": 3},
               "ports": [{"containerPort": 80, "protocol": "TCP", "hostPort": 8080}],
               "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "ephemeral-storage": "1Mi"}},
               "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
               "securityContext": {"privileged": true, "procMount": "Default", "capabilities": {"add": ["NET_ADMIN"]}},
               "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "stdin": true,
               "tty": true, "volumeMounts": [{"name": "a", "mountPath": "/a", "readOnly": true, "subPath": "x"}],
               "workingDir": "/", "volumeDevices": []}]}
            """#)
        #expect(NodeCapabilities.refusals(spec) == [])
    }

    @Test(arguments: [
        (#"{"hostIPC": true}"#, "spec.hostIPC"), (#"{"hostUsers": false}"#, "spec.hostUsers"),
        (#"{"runtimeClassName": "gvisor"}"#, "spec.runtimeClassName"), (#"{"os": {"name": "windows"}}"#, "spec.os"),
        (#"{"overhead": {"cpu": "1"}}"#, "spec.overhead"), (#"{"brandNew": 1}"#, "spec.brandNew"),
        (#"{"volumes": [{"name": "a", "nfs": {"server": "s", "path": "/"}}]}"#, "spec.volumes[0].nfs"),
        (
            #"{"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "c"}}]}"#,
            "spec.volumes[0].persistentVolumeClaim"
        ),
        (
            #"{"volumes": [{"name": "a", "projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}]}}]}"#,
            "spec.volumes[0].projected.sources[0].clusterTrustBundle"
        ),
        (#"{"containers": [{"volumeDevices": [{"name": "a"}]}]}"#, "spec.containers[0].volumeDevices"),
        (#"{"initContainers": [{"restartPolicy": "Always"}]}"#, "spec.initContainers[0].restartPolicy"),
        (#"{"containers": [{}, {"livenessProbe": {"grpc": {"port": 1}}}]}"#, "spec.containers[1].livenessProbe.grpc"),
        (
            #"{"containers": [{"resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "1"}}}]}"#,
            "spec.containers[0].resources.limits.nvidia.com/gpu"
        ),
        (
            #"{"containers": [{"securityContext": {"procMount": "Unmasked"}}]}"#,
            "spec.containers[0].securityContext.procMount"
        ),
        (
            #"{"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p"}}}"#,
            "spec.securityContext.seccompProfile"
        ),
        (
            #"{"containers": [{"volumeMounts": [{"mountPropagation": "Bidirectional"}]}]}"#,
            "spec.containers[0].volumeMounts[0].mountPropagation"
        ),
        (
            #"{"containers": [{"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}]}"#,
            "spec.containers[0].lifecycle.preStop.sleep"
        ),
    ])
    func whatIsRefused(spec: String, path: String) throws {
        let refusals = NodeCapabilities.refusals(try json(spec))
        #expect(refusals.map(\.path) == [path])
        #expect(refusals.allSatisfy { !$0.reason.isEmpty })
    }

    @Test func refusalsAreBounded() throws {
        let many = JSONValue.object(Dictionary(uniqueKeysWithValues: (0..<500).map { ("field\($0)", .integer(1)) }))
        #expect(NodeCapabilities.refusals(many).count == NodeCapabilities.refusalLimit)
    }
}
