import KubeObjects
import NetAddress
import ServiceHealth
import Testing

@testable import Datapath

@Suite struct ServicePlanTests {
    private static let node = IPv4Address(10, 0, 0, 11)
    private let plan = ServicePlan(nodeName: "node1", nodeAddresses: [node, IPv4Address(10, 0, 0, 12)])

    private func service(
        _ change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = Service(
            metadata: ObjectMeta(name: "web", namespace: "default"),
            spec: Service.Spec(
                clusterIP: "10.100.0.10", ports: [Service.Port(name: "http", port: 80, targetPort: .integer(8080))]))
        change(&service)
        return service
    }

    private func slice(
        _ endpoints: [(String, String?, EndpointSlice.Conditions)], port: String = "http"
    ) -> EndpointSlice {
        EndpointSlice(
            metadata: ObjectMeta(
                name: "web-1", namespace: "default", labels: [EndpointSlice.serviceNameLabel: "web"]),
            endpoints: endpoints.map {
                EndpointSlice.Endpoint(addresses: [$0.0], conditions: $0.2, nodeName: $0.1)
            },
            ports: [EndpointSlice.Port(name: port, port: 8080)])
    }

    private let ready = EndpointSlice.Conditions(ready: true)
    private let leaving = EndpointSlice.Conditions(ready: false, serving: true, terminating: true)
    private let failing = EndpointSlice.Conditions(ready: false, serving: false, terminating: false)

    private func end(_ text: String, _ port: UInt16) throws -> ServiceEnd {
        ServiceEnd(address: try #require(IPv4Address(text)), port: port, ipProtocol: 6)
    }

    @Test func readyEndpointsOfThePortsName() throws {
        let found = plan.frontends(
            of: service(),
            [
                slice([("192.168.2.3", "node2", ready), ("192.168.1.3", "node1", ready), ("192.168.1.4", nil, failing)]
                ),
                slice([("192.168.9.9", nil, ready)], port: "metrics"),
            ])
        let only = try #require(found[try end("10.100.0.10", 80)])
        #expect(found.count == 1)
        #expect(only.kind == .clusterIP)
        #expect(only.backends == [try end("192.168.1.3", 8080), try end("192.168.2.3", 8080)])
    }

    @Test func terminatingEndpointsServeOnlyWhereNoneIsReady() throws {
        let both = plan.frontends(
            of: service(), [slice([("192.168.1.3", nil, leaving), ("192.168.1.4", nil, ready)])])
        #expect(both[try end("10.100.0.10", 80)]?.backends == [try end("192.168.1.4", 8080)])
        let last = plan.frontends(
            of: service(), [slice([("192.168.1.3", nil, leaving), ("192.168.1.5", nil, failing)])])
        #expect(last[try end("10.100.0.10", 80)]?.backends == [try end("192.168.1.3", 8080)])
    }

    @Test func aServiceWithoutEndpointsIsAFrontendAllTheSame() throws {
        #expect(plan.frontends(of: service(), [])[try end("10.100.0.10", 80)]?.backends == [])
    }

    @Test func nodePortIsEveryNodes() throws {
        let found = plan.frontends(
            of: service {
                $0.spec.type = .nodePort
                $0.spec.ports[0].nodePort = 30_080
                $0.spec.externalIPs = ["198.51.100.7", "not an address"]
            }, [slice([("192.168.1.3", nil, ready)])])
        #expect(found[try end("10.0.0.11", 30_080)]?.kind == .nodePort)
        #expect(found[try end("10.0.0.12", 30_080)]?.kind == .nodePort)
        #expect(found[try end("198.51.100.7", 80)]?.kind == .externalIP)
        #expect(found.count == 4)
    }

    @Test func localPolicyAndAffinity() throws {
        let found = plan.frontends(
            of: service {
                $0.spec.internalTrafficPolicy = .local
                $0.spec.sessionAffinity = .clientIP
            }, [slice([("192.168.2.3", "node2", ready), ("192.168.1.3", "node1", ready)])])
        let only = try #require(found[try end("10.100.0.10", 80)])
        #expect(only.backends == [try end("192.168.1.3", 8080)])
        #expect(only.affinitySeconds == 10_800)
    }

    private func opening(maglev: Int = 0) -> ServicePlan {
        ServicePlan(
            nodeName: "node1", nodeAddresses: [Self.node, IPv4Address(10, 0, 0, 12)], ownAddresses: [Self.node],
            maglevSize: maglev)
    }

    @Test func callersFromOutsideReachTheNodesOwnAddresses() throws {
        let found = opening(maglev: 251).frontends(
            of: service {
                $0.spec.type = .nodePort
                $0.spec.ports[0].nodePort = 30_080
            }, [slice([("192.168.1.3", "node1", ready), ("192.168.2.3", "node2", ready)])])
        let own = try #require(found[try end("10.0.0.11", 30_080)])
        #expect(own.flags == .outside)
        #expect(own.maglevSize == 251)
        #expect(own.backends.count == 2)
        let other = try #require(found[try end("10.0.0.12", 30_080)])
        #expect(other.flags == [] && other.maglevSize == 0)
        #expect(found[try end("10.100.0.10", 80)]?.flags == [])
    }

    @Test func externalTrafficPolicyLocalHasAScopeOfItsOwn() throws {
        let found = opening().frontends(
            of: service {
                $0.spec.type = .nodePort
                $0.spec.ports[0].nodePort = 30_080
                $0.spec.externalTrafficPolicy = .local
            }, [slice([("192.168.1.3", "node1", ready), ("192.168.2.3", "node2", ready)])])
        var outside = try end("10.0.0.11", 30_080)
        #expect(found[outside]?.flags == [.outside, .scopes])
        #expect(found[outside]?.backends.count == 2)
        outside.scope = .outside
        #expect(found[outside]?.backends == [try end("192.168.1.3", 8080)])
        // Another node's address is reached by callers of the cluster only.
        #expect(found[try end("10.0.0.12", 30_080)]?.flags == [])
        #expect(found.count == 4)
    }

    @Test func healthCountsTheNodesOwnReadyPods() throws {
        func local(_ change: (inout Service) -> Void = { _ in }) -> Service {
            service {
                $0.spec.type = .loadBalancer
                $0.spec.externalTrafficPolicy = .local
                $0.spec.healthCheckNodePort = 31_000
                change(&$0)
            }
        }
        let slices = [
            slice([
                ("192.168.1.3", "node1", ready), ("192.168.1.4", "node1", leaving), ("192.168.1.5", "node1", failing),
                ("192.168.2.3", "node2", ready), ("192.168.1.6", nil, ready),
            ]), slice([("192.168.1.3", "node1", ready)], port: "metrics"),
        ]
        let found = try #require(plan.health(of: local(), slices))
        #expect(found.port == 31_000)
        #expect(found.health == ServiceHealth(namespace: "default", name: "web", localEndpoints: 1))
        #expect(plan.health(of: local(), [])?.health.status == 503)
        for other in [
            local { $0.spec.externalTrafficPolicy = .cluster }, local { $0.spec.type = .nodePort },
            local { $0.spec.healthCheckNodePort = nil }, local { $0.spec.healthCheckNodePort = 0 },
        ] {
            #expect(plan.health(of: other, slices) == nil)
        }
        // kube-proxy's node ports are kube-proxy's to tell of.
        var small = plan
        small.kinds = [.clusterIP]
        #expect(small.health(of: local(), slices) == nil)
    }

    @Test func answersGoDirectlyWhereEveryNodeKnowsTheFrontend() throws {
        let second = IPv4Address(10, 1, 0, 11)
        var plan = ServicePlan(
            nodeName: "node1", nodeAddresses: [Self.node, IPv4Address(10, 0, 0, 12)],
            ownAddresses: [Self.node, second], maglevSize: 251)
        plan.directProtocols = [6]
        let wanted = service {
            $0.spec.type = .nodePort
            $0.spec.ports[0].nodePort = 30_080
            $0.spec.externalIPs = ["198.51.100.9"]
        }
        let slices = [slice([("192.168.2.3", "node2", ready)])]
        let found = plan.frontends(of: wanted, slices)
        let own = try #require(found[try end("10.0.0.11", 30_080)])
        #expect(own.flags == [.outside, .direct] && own.maglevSize == 251)
        #expect(found[try end("198.51.100.9", 80)]?.flags == [.outside, .direct])
        // Other nodes know this node's first address only.
        #expect(found[ServiceEnd(address: second, port: 30_080, ipProtocol: 6)]?.flags == .outside)
        // loadBalancer.mode hybrid: of TCP alone.
        plan.directProtocols = [17]
        #expect(plan.frontends(of: wanted, slices)[try end("10.0.0.11", 30_080)]?.flags == .outside)
        // Local never leaves the node.
        plan.directProtocols = [6]
        var local = wanted
        local.spec.externalTrafficPolicy = .local
        #expect(plan.frontends(of: local, slices)[try end("10.0.0.11", 30_080)]?.flags == [.outside, .scopes])
    }

    @Test func sourceRangesCloseTheLoadBalancersAddress() throws {
        var ranged = service {
            $0.spec.type = .loadBalancer
            $0.spec.loadBalancerSourceRanges = ["203.0.113.0/24"]
        }
        ranged.status = Service.Status(
            loadBalancer: Service.LoadBalancer(ingress: [Service.Ingress(ip: "198.51.100.9")]))
        #expect(opening().frontends(of: ranged, [])[try end("198.51.100.9", 80)]?.flags == [])
        ranged.spec.loadBalancerSourceRanges = []
        #expect(opening().frontends(of: ranged, [])[try end("198.51.100.9", 80)]?.flags == .outside)
    }

    @Test func hostPortsOfOwnPods() throws {
        func pod(on node: String, hostIP: String? = nil, hostNetwork: Bool = false, address: String? = "192.168.1.3")
            -> Pod
        {
            Pod(
                metadata: ObjectMeta(name: "web", namespace: "default"),
                spec: Pod.Spec(
                    nodeName: node, hostNetwork: hostNetwork,
                    containers: [
                        Pod.Container(
                            name: "web",
                            ports: [
                                Pod.Port(containerPort: 8080, hostPort: 80, hostIP: hostIP),
                                Pod.Port(containerPort: 9090),
                            ])
                    ]), status: Pod.Status(podIP: address))
        }
        let found = opening().frontends(of: pod(on: "node1"))
        let only = try #require(found[try end("10.0.0.11", 80)])
        #expect(found.count == 1)
        #expect(only.backends == [try end("192.168.1.3", 8080)])
        #expect(only.kind == .hostPort && only.flags == .outside)
        #expect(opening().frontends(of: pod(on: "node1", hostIP: "10.0.0.11")).count == 1)
        for none in [
            pod(on: "node2"), pod(on: "node1", hostIP: "10.9.9.9"), pod(on: "node1", hostNetwork: true),
            pod(on: "node1", address: nil),
        ] { #expect(opening().frontends(of: none) == [:]) }
    }

    @Test func hostPortsOfUDPAndOfOneAddress() throws {
        func pod(_ ports: [Pod.Port]) -> Pod {
            Pod(
                metadata: ObjectMeta(name: "dns", namespace: "default"),
                spec: Pod.Spec(
                    nodeName: "node1", containers: ports.map { Pod.Container(name: "c", ports: [$0]) }),
                status: Pod.Status(podIP: "192.168.1.3"))
        }
        var udp = Pod.Port(containerPort: 5353, hostPort: 53, hostIP: "0.0.0.0")
        udp.protocol = .udp
        let tcp = Pod.Port(containerPort: 5300, hostPort: 53, hostIP: "10.0.0.11")
        var sctp = Pod.Port(containerPort: 9, hostPort: 9)
        sctp.protocol = .sctp
        let found = opening().frontends(of: pod([udp, tcp, sctp, Pod.Port(containerPort: 80, hostPort: 0)]))
        let address = try #require(IPv4Address("10.0.0.11"))
        let backend = try #require(IPv4Address("192.168.1.3"))
        #expect(
            found.mapValues(\.backends) == [
                ServiceEnd(address: address, port: 53, ipProtocol: 17): [
                    ServiceEnd(address: backend, port: 5353, ipProtocol: 17)
                ],
                ServiceEnd(address: address, port: 53, ipProtocol: 6): [
                    ServiceEnd(address: backend, port: 5300, ipProtocol: 6)
                ],
            ])
        // Loopback is no address of the node that others could reach.
        let local = Pod.Port(containerPort: 80, hostPort: 80, hostIP: "127.0.0.1")
        #expect(opening().frontends(of: pod([local])) == [:])
        var ended = pod([tcp])
        ended.status.phase = "Succeeded"
        #expect(opening().frontends(of: ended) == [:])
    }

    @Test func headlessAndExternalNamesHaveNone() {
        #expect(
            plan.frontends(of: service { $0.spec.clusterIP = "None" }, [slice([("192.168.1.3", nil, ready)])]) == [:])
        #expect(plan.frontends(of: service { $0.spec.type = .externalName }, []) == [:])
    }
}
