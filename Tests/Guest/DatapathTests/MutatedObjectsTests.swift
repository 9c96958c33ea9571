import Foundation
import Hashing
import JSON
import KubeObjects
import NetAddress
import Policy
import ServedObjects
import TestAPIServer
import Testing

@testable import Datapath

/// Objects of a cluster that are not as they should be: what can be read is planned as a whole, and what cannot is an
/// error. Nothing traps.
@Suite struct MutatedObjectsTests {
    private static let slice = """
        {"metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
         "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"port": 53}],
         "endpoints": [{"addresses": ["192.168.1.3"], "conditions": {"ready": true, "serving": true},
           "nodeName": "node1", "zone": "a"}, {"addresses": ["192.168.2.3"], "conditions": {"terminating": true}}]}
        """
    private static let service = """
        {"metadata": {"name": "web", "namespace": "default"},
         "spec": {"clusterIP": "10.100.0.10", "type": "LoadBalancer", "selector": {"app": "web"},
          "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
          "externalIPs": ["198.51.100.7"], "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster",
          "loadBalancerSourceRanges": ["203.0.113.0/24"],
          "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"},
            {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]},
         "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}}
        """
    private static let pod = """
        {"metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
         "spec": {"nodeName": "node1", "hostNetwork": false, "containers": [{"name": "c", "image": "x",
           "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.11", "protocol": "TCP"}]}]},
         "status": {"phase": "Running", "podIP": "192.168.1.3"}}
        """
    private static let policy = """
        {"metadata": {"name": "web", "namespace": "default"},
         "spec": {"podSelector": {"matchLabels": {"app": "web"},
           "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]},
          "policyTypes": ["Ingress", "Egress"],
          "ingress": [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
            "ports": [{"port": 80, "endPort": 90, "protocol": "TCP"}, {"port": "http"}]}],
          "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]}}
        """
    private static let ciliumPolicy = """
        {"metadata": {"name": "web", "namespace": "default"},
         "spec": {"endpointSelector": {"matchLabels": {"app": "web"}},
          "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "front"}}],
            "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}],
              "rules": {"http": [{"method": "GET", "path": "/public.*", "headers": ["X-A: b"]}]}}]}],
          "ingressDeny": [{"fromEntities": ["world"]}],
          "egress": [{"toFQDNs": [{"matchName": "example.com"}, {"matchPattern": "*.example.com"}],
            "toPorts": [{"ports": [{"port": "443"}]}]},
            {"toCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}], "icmps": [{"fields": [{"type": 8}]}]}]}}
        """

    /// The object of a mutated text, if it is one; it is then the same again once it is stored and read.
    private func read<Object: KubeObject & Equatable>(
        _ seed: JSONValue, as type: Object.Type, _ random: inout SplitMix64
    ) throws -> Object? {
        var octets = JSONText.octets(of: MutatedJSON.value(seed, &random))
        if Int.random(in: 0..<16, using: &random) == 0 { octets = MutatedJSON.bytes(octets, &random) }
        guard let object: Object = try? ServedJSON.object(octets) else { return nil }
        let stored = Array(try JSONEncoder().encode(object))
        #expect(try ServedJSON.object(stored, as: Object.self) == object)
        return object
    }

    private func compile(_ units: [PolicyUnit]) throws {
        var compiler = PolicyCompiler(
            units: units,
            identities: (1...5).map { number in
                PeerIdentity(
                    number: number, labels: ["k8s:app=front"],
                    range: IPv4CIDR(host: IPv4Address(rawValue: 0x0A00_0000 + number)))
            }, node: 1)
        let policy = compiler.compile(labels: ["k8s:app=web"])
        _ = try? PolicyPlan(endpoints: [7: policy], classes: PortClasses(), ruleNames: RuleNames())
    }

    @Test func `10,000 objects are planned or refused`() throws {
        var random = SplitMix64(seed: 20)
        let node = try #require(IPv4Address("10.0.0.11"))
        let plan = ServicePlan(nodeName: "node1", nodeAddresses: [node])
        let seeds = try [Self.service, Self.slice, Self.pod, Self.policy, Self.ciliumPolicy].map {
            try JSONText.value(of: Array($0.utf8))
        }
        let whole: Service = try ServedJSON.object(Array(Self.service.utf8))
        var (objects, frontends, units) = (0, 0, 0)
        for index in 0..<10_000 {
            let seed = seeds[index % seeds.count]
            switch index % seeds.count {
            case 0:
                guard let service = try read(seed, as: Service.self, &random) else { continue }
                frontends += plan.frontends(of: service, [try ServedJSON.slice(Array(Self.slice.utf8))]).count
            case 1:
                guard let slice = try read(seed, as: EndpointSlice.self, &random) else { continue }
                frontends += plan.frontends(of: whole, [slice]).count
            case 2:
                guard let pod = try read(seed, as: Pod.self, &random) else { continue }
                frontends += plan.frontends(of: pod).count
            case 3:
                guard let policy = try read(seed, as: NetworkPolicy.self, &random) else { continue }
                guard let rules = try? policy.units() else { continue }
                units += rules.count
                try compile(rules)
            default:
                guard let policy = try read(seed, as: CiliumNetworkPolicy.self, &random) else { continue }
                guard let rules = try? policy.units() else { continue }
                units += rules.count
                try compile(rules)
            }
            objects += 1
        }
        #expect(
            objects > 2000 && objects < 9900 && frontends > 1000 && units > 500,
            "\(objects) objects, \(frontends) frontends, \(units) units")
    }
}
