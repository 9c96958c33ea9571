import KubeObjects
import NetAddress
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

    @Test func headlessAndExternalNamesHaveNone() {
        #expect(
            plan.frontends(of: service { $0.spec.clusterIP = "None" }, [slice([("192.168.1.3", nil, ready)])]) == [:])
        #expect(plan.frontends(of: service { $0.spec.type = .externalName }, []) == [:])
    }
}
