import CloudAPI
import JSON
import Testing

@testable import CloudController

/// What becomes of a service of type LoadBalancer.
@Suite struct BalancerTests {
    private func service(_ spec: String, metadata: String = "", ingress: String? = nil) throws -> BalancedService {
        try BalancedService(
            try object(
                """
                {"metadata": {"namespace": "default", "name": "web", "uid": "1-2-3"\(metadata)},
                 "spec": \(spec),
                 "status": {"loadBalancer": {"ingress": [\(ingress.map { #"{"ip": "\#($0)"}"# } ?? "")]}}}
                """))
    }

    static let finalizer = #", "finalizers": ["service.kubernetes.io/load-balancer-cleanup"]"#
    static let spec = #"{"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}"#

    private func nodes() -> [KubeNode] {
        ["node1", "node2", "node3", "node4"].enumerated().map { index, name in
            var node = node(
                name, labels: index == 3 ? ["node.kubernetes.io/exclude-from-external-load-balancers": ""] : [:],
                ready: index != 2)
            node.addresses = [.init("InternalIP", "10.0.0.1\(index + 1)")]
            return node
        }
    }

    @Test func aNewServiceGetsABalancerWithReadyNodes() throws {
        let affairs = BalancerAffairs(try service(Self.spec), nodes: nodes(), present: nil)
        #expect(affairs.put?.name == "a123")
        #expect(affairs.put?.targets.map(\.address) == ["10.0.0.11", "10.0.0.12"])
        #expect(affairs.put?.listeners == [.init(port: 80, targetPort: 30080)])
        #expect(affairs.finalizers == ["service.kubernetes.io/load-balancer-cleanup"])
        #expect(affairs.events.map(\.reason) == ["EnsuringLoadBalancer"])
    }

    @Test func theAddressIsToldAndThenNothingIsDone() throws {
        var present = try #require(
            BalancerAffairs(try service(Self.spec), nodes: nodes(), present: nil).put)
        present.address = "10.0.9.5"
        let told = BalancerAffairs(try service(Self.spec, metadata: Self.finalizer), nodes: nodes(), present: present)
        #expect(told.ingress == ["10.0.9.5"])
        #expect(told.events.map(\.reason) == ["EnsuredLoadBalancer"])
        let done = BalancerAffairs(
            try service(Self.spec, metadata: Self.finalizer, ingress: "10.0.9.5"), nodes: nodes(), present: present)
        #expect(done.put == nil && done.ingress == nil && done.finalizers == nil && done.events.isEmpty)
        let fewer = BalancerAffairs(
            try service(Self.spec, metadata: Self.finalizer, ingress: "10.0.9.5"), nodes: Array(nodes().prefix(1)),
            present: present)
        #expect(fewer.put?.targets.count == 1)
        #expect(fewer.events.map(\.reason) == ["UpdatedLoadBalancer"])
    }

    static let others = [
        spec.replacing("LoadBalancer", with: "ClusterIP"),
        spec.replacing("}]}", with: #"}], "loadBalancerClass": "example.com/other"}"#),
        spec.replacing("30080", with: "0"),
    ]
    @Test(arguments: others) func servicesOfOthersAreLeftAlone(_ spec: String) throws {
        #expect(BalancerAffairs(try service(spec), nodes: nodes(), present: nil).put == nil)
    }

    @Test(arguments: [
        (spec.replacing("TCP", with: "SCTP"), "protocol SCTP"),
        (spec.replacing("}]}", with: #"}], "loadBalancerSourceRanges": ["10.0.0.0/8"]}"#), "loadBalancerSourceRanges"),
        (
            spec.replacing("}]}", with: #"}], "allocateLoadBalancerNodePorts": false}"#),
            "allocateLoadBalancerNodePorts: false"
        ),
    ]) func whatIsNotDoneIsSaid(_ spec: String, _ words: String) throws {
        let affairs = BalancerAffairs(try service(spec), nodes: nodes(), present: nil)
        #expect(affairs.put == nil)
        #expect(affairs.events.map(\.type) == ["Warning"])
        #expect(affairs.events.first?.message.contains(words + " is not supported") == true)
    }

    @Test func whatTheCloudRefusesIsSaid() throws {
        let failure = CloudFailure(.invalidParameterValue, "port [80] of 10.0.9.5 cannot be had")
        let refusal = BalancerAffairs.refusal(of: try service(Self.spec), "\(failure)")
        #expect(refusal.reason == "SyncLoadBalancerFailed" && refusal.subject.kind == "Service")
        #expect(refusal.message.hasPrefix("Error syncing load balancer: failed to ensure load balancer: "))
        #expect(refusal.message.contains("port [80] of 10.0.9.5 cannot be had"))
    }

    @Test func aServiceThatEndsTakesItsBalancerAlong() throws {
        let ending = try service(
            Self.spec, metadata: Self.finalizer + #", "deletionTimestamp": "2026-01-31T12:00:00Z""#)
        let present = CloudLoadBalancer(name: "a123", listeners: [], targets: [], address: "10.0.9.5")
        let affairs = BalancerAffairs(ending, nodes: nodes(), present: present)
        #expect(affairs.isDeleted)
        #expect(affairs.finalizers == [])
    }

    @Test func datagramsAreBalancedToo() throws {
        let spec = Self.spec.replacing(
            "}]", with: #"}, {"port": 53, "nodePort": 30053, "protocol": "UDP"}, {"port": 53, "nodePort": 30054}]"#)
        let affairs = BalancerAffairs(try service(spec), nodes: nodes(), present: nil)
        #expect(
            affairs.put?.listeners == [
                .init(port: 80, targetPort: 30080), .init(.udp, port: 53, targetPort: 30053),
                .init(port: 53, targetPort: 30054),
            ])
        #expect(affairs.events.map(\.reason) == ["EnsuringLoadBalancer"])
    }

    @Test func localTrafficIsAskedForAtItsOwnPort() throws {
        let spec = Self.spec.replacing(
            "}]}", with: #"}], "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}"#)
        #expect(BalancerAffairs(try service(spec), nodes: nodes(), present: nil).put?.healthPort == 31000)
    }
}
