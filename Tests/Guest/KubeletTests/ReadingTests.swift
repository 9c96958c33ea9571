import Hashing
import JSON
import Testing

@testable import Kubelet

@Suite struct ReadingTests {
    @Test(arguments: [
        ("0", 0), ("1", 1000), ("100m", 100), ("1.5", 1500), ("0.1", 100), (".5", 500), ("1k", 1_000_000),
        ("64Mi", 67_108_864_000), ("1Gi", 1_073_741_824_000), ("1e3", 1_000_000), ("1E3", 1_000_000), ("1e-3", 1),
        ("1n", 1), ("1u", 1), ("-1", -1000), ("+2", 2000), ("8E", Int64.max), ("999Ei", Int64.max),
    ])
    func quantities(text: String, milli: Int64) {
        #expect(Quantity(text)?.milli == milli)
    }

    @Test(arguments: ["", "m", "1x", "1 Mi", "--1", "1.2.3", "Mi", "1e", "1e99", "0x10", "nan", "1Mi2", "."])
    func noQuantities(text: String) { #expect(Quantity(text) == nil) }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-11-29T18:00:00Z", 1_795_975_200_000_000),
        ("2024-02-29T12:34:56.789Z", 1_709_210_096_789_000), ("2026-01-01T01:00:00+01:00", 1_767_225_600_000_000),
        ("1969-12-31T23:59:59.5Z", -500_000),
    ])
    func timestamps(text: String, micros: Int64) {
        #expect(Timestamp.parse(text) == micros)
        #expect(Timestamp.parse(Timestamp.microseconds(micros)) == micros)
    }

    @Test(arguments: [
        "", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00Zx",
    ])
    func noTimestamps(text: String) { #expect(Timestamp.parse(text) == nil) }

    @Test func timestampsGoThereAndBack() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<2000 {
            let micros = Int64.random(in: -2_000_000_000_000_000...4_000_000_000_000_000, using: &random)
            #expect(Timestamp.parse(Timestamp.microseconds(micros)) == micros)
        }
    }

    @Test(arguments: [
        ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\nYmFy", "foobar"),
    ])
    func base64(text: String, bytes: String) { #expect(Base64.decode(text) == Array(bytes.utf8)) }

    @Test(arguments: ["Z", "Zg", "Zg=", "Z===", "Zg==Zg==x", "Zm9*", "=Zm9", "Zm=v"])
    func noBase64(text: String) { #expect(Base64.decode(text) == nil) }

    @Test func objectsHaveTheirData() throws {
        let map = ObjectContent(.configMap, try json(#"{"data": {"a": "x"}, "binaryData": {"b": "AQI="}}"#))
        #expect(map.data == ["a": [120], "b": [1, 2]])
        let secret = ObjectContent(
            .secret, try json(#"{"data": {"a": "eA==", "bad": "*"}, "binaryData": {"b": "AQI="}}"#))
        #expect(secret.data == ["a": [120]])
        let service = ServiceAddress(
            try json(
                #"{"metadata": {"name": "s", "namespace": "n"}, "spec": {"clusterIP": "1.2.3.4", "ports": [{"port": 80, "protocol": "UDP", "name": "d"}, {"port": 70000}]}}"#
            ))
        #expect(service?.ports == [.init(name: "d", port: 80, protocolName: "UDP")])
        #expect(
            ServiceAddress(try json(#"{"metadata": {"name": "s", "namespace": "n"}, "spec": {"clusterIP": "None"}}"#))
                == nil)
    }

    // MARK: Images

    @Test(arguments: [
        ("curl", "curl"), ("curl:7.88", "curl"), ("docker.io/library/curl", "curl"),
        ("docker.io/curlimages/curl:8", "curl"),
        ("registry.k8s.io/pause:3.2", "pause"), ("localhost:5000/pause", "pause"), ("pause", "pause"), ("curl2", nil),
        ("echo:2", "echo"), ("echo@sha256:abc", "echo"), ("quay.io/x/curl", nil),
    ])
    func images(image: String, found: String?) throws {
        let entry = try catalogue().entry(image)
        let name: String? =
            switch entry?.workload {
            case .builtIn(let name): name
            case .program: entry?.entrypoint.first
            case nil: nil
            }
        #expect(name == found)
    }

    @Test(arguments: [
        ("curl", "docker.io/library/curl:latest"), ("a/b:1", "docker.io/a/b:1"), ("quay.io/a/b", "quay.io/a/b:latest"),
        ("localhost:5000/a", "localhost:5000/a:latest"), ("a@sha256:1", "docker.io/library/a@sha256:1"),
    ])
    func references(image: String, reference: String) { #expect(ImageName(image).reference == reference) }

    @Test(arguments: [
        ("{}", "images: not a list of at most 1000 images"), (#"{"images": [1]}"#, "images[0]: not an object"),
        (#"{"images": [{"names": []}]}"#, "images[0].names: not a list of names"),
        (
            #"{"images": [{"names": ["a"]}, {"names": ["docker.io/library/a"]}]}"#,
            "images[1].names: docker.io/library/a is given twice"
        ),
        (#"{"images": [{"names": ["a"], "entryPoint": []}]}"#, "images[0].entryPoint: no key of an image"),
        (#"{"images": [{"names": ["a"], "entrypoint": "sh"}]}"#, "images[0].entrypoint: not a list of strings"),
        (
            #"{"images": [{"names": ["a"], "builtIn": "echo", "entrypoint": ["x"]}]}"#,
            "images[0].builtIn: not a name, or beside an entrypoint"
        ),
        (#"{"images": [{"names": ["a"], "environment": {"A": 1}}]}"#, "images[0].environment: not strings by name"),
    ])
    func noCatalogues(text: String, problem: String) throws {
        let document = try json(text)
        do throws(ImageCatalogueProblem) {
            _ = try ImageCatalogue(document)
            Issue.record("read")
        } catch { #expect(error.description == problem) }
    }

    // MARK: Pods

    @Test(arguments: [
        ("{}", "containers: not a list of at least one container"),
        (#"{"containers": [{"image": "x"}]}"#, "containers[0].name: not a string that is not empty"),
        (#"{"containers": [{"name": "a", "image": 1}]}"#, "containers[0].image: not a string"),
        (#"{"containers": [{"name": "a"}, {"name": "a"}]}"#, "containers: not a list of containers of different names"),
        (#"{"restartPolicy": "Sometimes", "containers": [{"name": "a"}]}"#, "restartPolicy: not a policy"),
        (
            #"{"containers": [{"name": "a", "ports": [{"containerPort": 70000}]}]}"#,
            "containers[0].ports[0].containerPort: not a port"
        ),
        (
            #"{"containers": [{"name": "a", "resources": {"limits": {"cpu": "x"}}}]}"#,
            "containers[0].resources.limits.cpu: not a quantity"
        ),
        (
            #"{"terminationGracePeriodSeconds": -1, "containers": [{"name": "a"}]}"#,
            "terminationGracePeriodSeconds: not a whole number from 0 to 10¹²"
        ),
    ])
    func noPods(spec: String, problem: String) throws {
        let object = try podObject(spec)
        do throws(UnreadablePod) {
            _ = try KubePod(object)
            Issue.record("read")
        } catch { #expect(error.description == "spec." + problem) }
    }

    /// A pod that uses most fields.
    static let full = #"""
        {"activeDeadlineSeconds": 100, "restartPolicy": "OnFailure", "hostNetwork": false, "dnsPolicy": "None",
         "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a"], "options": [{"name": "ndots", "value": "2"}]},
         "nodeSelector": {"zone": "a"}, "priority": 5, "serviceAccountName": "sa", "enableServiceLinks": true,
         "securityContext": {"runAsUser": 1, "fsGroup": 2, "supplementalGroups": [3], "sysctls": [{"name": "net.a", "value": "1"}]},
         "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
           {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}},
         "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
         "readinessGates": [{"conditionType": "g"}], "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["h"]}],
         "volumes": [{"name": "m", "configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}},
           {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 700}},
             {"downwardAPI": {"items": [{"path": "x", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu"}}]}}]}},
           {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
         "initContainers": [{"name": "first", "image": "busybox", "command": ["true"]}],
         "containers": [{"name": "app", "image": "curl:8", "command": ["a", "$(X)"], "args": ["b"], "workingDir": "/w",
           "env": [{"name": "X", "value": "1"}, {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}],
           "envFrom": [{"prefix": "P_", "secretRef": {"name": "s", "optional": true}}],
           "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "protocol": "TCP"}],
           "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "100m"}},
           "volumeMounts": [{"name": "m", "mountPath": "/m", "subPathExpr": "$(X)"}],
           "lifecycle": {"preStop": {"httpGet": {"port": "http", "path": "/bye"}}, "postStart": {"exec": {"command": ["x"]}}},
           "livenessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 3, "failureThreshold": 2},
           "readinessProbe": {"httpGet": {"port": "http", "httpHeaders": [{"name": "A", "value": "b"}]}},
           "startupProbe": {"exec": {"command": ["y"]}, "periodSeconds": 1},
           "securityContext": {"privileged": true, "capabilities": {"add": ["NET_ADMIN"]}}}]}
        """#

    /// Values put in the place of others, members and elements left out: a pod or a mistake, never a trap, and what is
    /// a pod lives.
    @Test func brokenPodsNeverTrap() throws {
        let whole = try podObject(
            Self.full, metadata: #""labels": {"a": "b"}, "annotations": {"c": "d"}"#,
            status:
                #"{"phase": "Pending", "containerStatuses": [{"name": "app", "restartCount": 1, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}"#
        )
        var random = SplitMix64(seed: 11)
        var (pods, mistakes, refused) = (0, 0, 0)
        for round in 0..<10_000 {
            var object = whole
            for _ in 0...Int.random(in: 0..<3, using: &random) { object = mutated(object, &random) }
            guard let pod = try? KubePod(object) else {
                mistakes += 1
                continue
            }
            pods += 1
            if let spec = object["spec"], !NodeCapabilities.refusals(spec).isEmpty { refused += 1 }
            // A life costs more than a reading.
            guard round % 20 == 0 else { continue }
            var bench = try Bench()
            bench.objects[ObjectReference(kind: .configMap, namespace: "shop", name: "m")] = ObjectContent(data: [
                "k": [120]
            ])
            bench.feed(.pod(pod))
            bench.run(.seconds(30))
            for container in bench.running.keys { bench.feed(.containerEnded(container, ContainerExit(exitCode: 1))) }
            bench.run(.seconds(30))
            bench.feed(.podGone(pod.identity))
            bench.run(.seconds(1))
            #expect(bench.mind.podObjects.isEmpty && bench.running.isEmpty)
        }
        #expect(
            pods > 3000 && mistakes > 1000 && refused > 100, "\(pods) pods, \(mistakes) mistakes, \(refused) refused")
    }

    private func mutated(_ value: JSONValue, _ random: inout SplitMix64) -> JSONValue {
        switch value {
        case .object(var members) where !members.isEmpty:
            let keys = members.keys.sorted()
            let key = keys[Int.random(in: 0..<keys.count, using: &random)]
            switch Int.random(in: 0..<30, using: &random) {
            case 0: members[key] = nil
            case 1: members[key] = strange(&random)
            case 2: members[key + "x"] = members[key]
            default: members[key] = members[key].map { mutated($0, &random) }
            }
            return .object(members)
        case .array(var elements) where !elements.isEmpty:
            let index = Int.random(in: 0..<elements.count, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: elements.remove(at: index)
            case 1: elements.append(elements[index])
            case 2: elements[index] = strange(&random)
            default: elements[index] = mutated(elements[index], &random)
            }
            return .array(elements)
        case .integer(let number) where Bool.random(using: &random):
            return .integer([0, -1, 1, 65_536, .max, .min, number &+ 1][Int.random(in: 0..<7, using: &random)])
        case .string(let text) where Bool.random(using: &random):
            return .string(
                ["", text + text, "$(", "é\u{0}", "../" + text, "1Mi"][Int.random(in: 0..<6, using: &random)])
        default: return strange(&random)
        }
    }

    private func strange(_ random: inout SplitMix64) -> JSONValue {
        [
            .null, .bool(true), .integer(-1), .integer(.max), .number(1e300), .string(""), .string("x"), .array([]),
            .array([.null]), .object([:]), .object(["name": .string("n")]),
        ][Int.random(in: 0..<11, using: &random)]
    }
}
