import KubeObjects
import ServedObjects
import Testing

@Suite struct ObjectFingerprintTests {
    private func service(_ name: String, port: UInt16 = 80, labels: [String: String] = [:]) -> Service {
        Service(
            metadata: ObjectMeta(name: name, namespace: "default", labels: labels, uid: "u-\(name)"),
            spec: .init(ports: [.init(port: port)]))
    }

    @Test func `the same state has the same fingerprint, in whatever order it is written`() throws {
        let one: Service = try ServedJSON.object(
            Array(
                #"{"metadata":{"name":"a","namespace":"default","labels":{"x":"1","y":"2"}},"spec":{"ports":[{"port":80}]}}"#
                    .utf8))
        let other: Service = try ServedJSON.object(
            Array(
                #"{"spec":{"ports":[{"port":80}]},"metadata":{"labels":{"y":"2","x":"1"},"namespace":"default","name":"a"}}"#
                    .utf8))
        #expect(ObjectFingerprint.of(one) == ObjectFingerprint.of(other))
        #expect(ObjectFingerprint.of(one).count == 16)
    }

    @Test func `every difference that is read shows`() {
        let base = service("a")
        var successor = base
        successor.metadata.uid = "u-other"
        var ending = base
        ending.metadata.deletionTimestamp = "2026-11-30T12:00:00Z"
        let all = [base, successor, ending, service("a", port: 81), service("a", labels: ["x": "1"]), service("b")]
        #expect(Set(all.map { ObjectFingerprint.of($0) }).count == all.count)
    }

    @Test func `a table has the fingerprints of one kind, by name`() {
        var objects = ClusterObjects()
        objects.insert(service("a"))
        objects.insert(Namespace(metadata: ObjectMeta(name: "default")))
        #expect(objects.fingerprints(.services) == ["default/a": ObjectFingerprint.of(service("a"))])
        #expect(objects.fingerprints(.namespaces).keys.sorted() == ["default"])
        #expect(objects.fingerprints(.networkPolicies).isEmpty)
    }
}
