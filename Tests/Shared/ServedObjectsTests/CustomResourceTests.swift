import Hashing
import JSON
import KubeObjects
import Testing

@testable import ServedObjects

@Suite struct CustomResourceTests {
    private static let node = #"""
        {"apiVersion":"cilium.io/v2","kind":"CiliumNode","metadata":{"name":"node1","uid":"u","resourceVersion":"7",
        "ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"node1","uid":"n"}]},
        "spec":{"addresses":[{"type":"InternalIP","ip":"10.0.0.11"},{"type":"CiliumInternalIP","ip":"192.168.1.1"}],
        "health":{"ipv4":"192.168.1.2"},"bootid":"b","ipam":{"podCIDRs":["192.168.1.0/24"]}},
        "status":{"ipam":{"operator-status":{"error":"pool is empty"}}}}
        """#
    private static let endpoint = #"""
        {"apiVersion":"cilium.io/v2","kind":"CiliumEndpoint","metadata":{"name":"web-1","namespace":"default","uid":"e",
        "ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"web-1","uid":"p"}]},
        "status":{"id":12,"identity":{"id":5000,"labels":["k8s:b=2","k8s:a=1"]},"state":"ready","encryption":{"key":0},
        "networking":{"addressing":[{"ipv4":"192.168.1.9"},{"ipv6":"::1"}],"node":"10.0.0.11"}}}
        """#
    private static let identity = #"""
        {"apiVersion":"cilium.io/v2","kind":"CiliumIdentity","metadata":{"name":"5000"},
        "security-labels":{"k8s:io.kubernetes.pod.namespace":"default","k8s:app":"web"}}
        """#

    @Test func `a node's members`() throws {
        let node = try CiliumNode(Array(Self.node.utf8))
        #expect(node.internalIP == "10.0.0.11" && node.routerIP == "192.168.1.1" && node.health == "192.168.1.2")
        #expect(node.podCIDRs == ["192.168.1.0/24"] && node.operatorError == "pool is empty" && node.bootID == "b")
        #expect(node.metadata.owner == OwnerReference(kind: "Node", name: "node1", uid: "n"))
        var written = try CiliumNode(node.json)
        #expect(written.operatorError == nil)
        written.operatorError = node.operatorError
        written.metadata = node.metadata
        #expect(written == node)
    }

    @Test func `an endpoint's members`() throws {
        let endpoint = try CiliumEndpoint(Array(Self.endpoint.utf8))
        #expect(endpoint.id == 12 && endpoint.identity == 5000 && endpoint.labels == ["k8s:a=1", "k8s:b=2"])
        #expect(endpoint.addresses == ["192.168.1.9"] && endpoint.node == "10.0.0.11" && endpoint.state == "ready")
        #expect(endpoint.metadata.owner?.uid == "p" && endpoint.metadata.uid == "e")
        var written = try CiliumEndpoint(endpoint.json)
        // The uid is the server's.
        written.metadata.uid = "e"
        #expect(written == endpoint)
        #expect(endpoint.json["status"]?["encryption"]?["key"]?.integerValue == 0)
    }

    @Test func `an identity's members`() throws {
        let identity = try CiliumIdentity(Array(Self.identity.utf8))
        #expect(identity.number == 5000)
        #expect(identity.labels == ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=default"])
        let made = CiliumIdentity(
            number: 5000, labels: identity.labels + ["k8s:io.cilium.k8s.namespace.labels.team=a", "k8s:empty="])
        #expect(
            made.metadata.labels == ["app": "web", "io.kubernetes.pod.namespace": "default", "empty": ""])
        #expect(made.json["security-labels"]?["k8s:app"]?.text == "web")
        #expect(try CiliumIdentity(made.json).labels == made.labels.sorted())
    }

    @Test(arguments: ["x", "0", "255", "007000", "-5", "99999999999", ""])
    func `a name that is no identity's number`(_ name: String) {
        let text = #"{"metadata":{"name":"\#(name)"},"security-labels":{"k8s:a":"b"}}"#
        #expect(throws: ServedObjectError.self) { try CiliumIdentity(Array(text.utf8)) }
    }

    @Test(arguments: [
        #"{"metadata":{"name":"5000"}}"#, #"{"metadata":{"name":"5000"},"security-labels":{"k8s:a":1}}"#,
        #"{"security-labels":{}}"#,
    ])
    func `labels that are none`(_ text: String) {
        #expect(throws: ServedObjectError.self) { try CiliumIdentity(Array(text.utf8)) }
    }

    @Test func `more than anybody needs is refused`() {
        let ranges = Array(repeating: #""192.168.1.0/24""#, count: 65).joined(separator: ",")
        let text = #"{"metadata":{"name":"n"},"spec":{"ipam":{"podCIDRs":[\#(ranges)]}}}"#
        #expect(throws: ServedObjectError.self) { try CiliumNode(Array(text.utf8)) }
    }

    @Test func `what a node does not say is empty`() throws {
        let node = try CiliumNode(Array(#"{"metadata":{"name":"n"},"spec":{"addresses":{"a":1}}}"#.utf8))
        #expect(node.addresses.isEmpty && node.podCIDRs.isEmpty && node.internalIP == nil)
        let endpoint = try CiliumEndpoint(Array(#"{"metadata":{"name":"n"}}"#.utf8))
        #expect(endpoint.identity == 0 && endpoint.addresses.isEmpty)
    }

    @Test func `numbers of labels`() {
        let labels = ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=default"]
        let candidates = IdentityNumber.candidates(of: labels)
        #expect(candidates.count == 64 && Set(candidates).count == 64)
        #expect(candidates[0] == IdentityNumber.derive(from: labels))
        #expect(candidates.allSatisfy(IdentityNumber.range.contains))
    }

    @Test func `mutated texts trap nowhere`() {
        var random = SplitMix64(seed: 38)
        for index in 0..<10_000 {
            var octets = Array([Self.node, Self.endpoint, Self.identity][index % 3].utf8)
            for _ in 0...Int(random.next() % 4) {
                let at = Int(random.next() % UInt64(octets.count))
                switch random.next() % 3 {
                case 0: octets[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: octets.remove(at: at)
                default: octets.insert(octets[Int(random.next() % UInt64(octets.count))], at: at)
                }
            }
            _ = try? CiliumNode(octets)
            _ = try? CiliumEndpoint(octets)
            _ = try? CiliumIdentity(octets)
            _ = try? ServedJSON.slice(octets)
        }
    }
}
