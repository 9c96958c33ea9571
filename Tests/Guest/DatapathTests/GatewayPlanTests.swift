import GatewayRoutes
import KubeObjects
import NetAddress
import Testing

@testable import Datapath

/// A gateway's Service leads to the node's own proxy.
@Suite struct GatewayPlanTests {
    private static let node = IPv4Address(10, 0, 0, 11)

    private func service() -> Service {
        var service = Service(
            metadata: ObjectMeta(
                name: "cilium-gateway-web", namespace: "default", annotations: [GatewayTable.annotation: "{}"]),
            spec: Service.Spec(
                clusterIP: "10.100.0.10",
                ports: [Service.Port(name: "port-80", port: 80, nodePort: 30_080)]))
        service.spec.type = .loadBalancer
        return service
    }

    private func end(_ address: String, _ port: UInt16) throws -> ServiceEnd {
        ServiceEnd(address: try #require(IPv4Address(address)), port: port, ipProtocol: 6)
    }

    @Test func `callers of the cluster come to the proxy, and node ports stay sockets`() throws {
        let plan = ServicePlan(
            nodeName: "node1", nodeAddresses: [Self.node, IPv4Address(10, 0, 0, 12)], ownAddresses: [Self.node])
        let found = plan.frontends(of: service(), [])
        #expect(Array(found.keys) == [try end("10.100.0.10", 80)])
        #expect(found[try end("10.100.0.10", 80)]?.backends == [try end("10.0.0.11", 30_080)])
        var plain = service()
        plain.metadata.annotations = [:]
        #expect(plan.frontends(of: plain, [])[try end("10.0.0.11", 30_080)] != nil)
        // Without node ports, there is no proxy, and the Service is one without pods.
        var small = plan
        small.kinds = [.clusterIP]
        #expect(small.frontends(of: service(), [])[try end("10.100.0.10", 80)]?.backends == [])
    }

    @Test func `targets of a backend are the ready pods of its port`() throws {
        let plan = ServicePlan(nodeName: "node1", nodeAddresses: [Self.node])
        let web = Service(
            metadata: ObjectMeta(name: "web", namespace: "default"),
            spec: Service.Spec(
                clusterIP: "10.100.0.11", ports: [Service.Port(name: "http", port: 80, targetPort: .integer(8080))]))
        let slice = EndpointSlice(
            metadata: ObjectMeta(
                name: "web-1", namespace: "default", labels: [EndpointSlice.serviceNameLabel: "web"]),
            endpoints: [
                EndpointSlice.Endpoint(
                    addresses: ["192.168.2.3"], conditions: .init(ready: true), nodeName: "node2")
            ], ports: [EndpointSlice.Port(name: "http", port: 8080)])
        #expect(plan.targets(of: web, at: 80, [slice]) == [try end("192.168.2.3", 8080)])
        #expect(plan.targets(of: web, at: 81, [slice]) == [])
    }
}
