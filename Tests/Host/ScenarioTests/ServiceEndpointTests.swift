import KubeObjects
import Matrix
import Readings
import Testing

@testable import Scenario

@Suite struct ServiceEndpointTests {
    private let nodes = [(name: "node1", address: "10.0.0.11"), (name: "node2", address: "10.0.0.12")]

    private func service(_ type: Service.ServiceType, ip: String?, ports: [Service.Port]) -> Service {
        Service(
            metadata: ObjectMeta(name: "web", namespace: "d", labels: ["team": "a"]),
            spec: .init(type: type, clusterIP: ip, ports: ports, externalIPs: type == .clusterIP ? ["10.0.9.9"] : []))
    }

    @Test func everyPortAtEveryAddress() {
        let made = ServiceEndpoints.endpoints(
            of: [
                service(
                    .nodePort, ip: "10.100.0.9",
                    ports: [
                        .init(name: "http", port: 80, nodePort: 30_081),
                        .init(name: "dns", protocol: .udp, port: 53, nodePort: 30_082),
                    ])
            ], nodes: nodes)
        #expect(
            made.map(\.id) == [
                "service/d/web:http", "nodeport/node1/d/web:http", "nodeport/node2/d/web:http", "service/d/web:dns",
                "nodeport/node1/d/web:dns", "nodeport/node2/d/web:dns",
            ])
        #expect(made.map(\.port) == [80, 30_081, 30_081, 53, 30_082, 30_082])
        #expect(made.map(\.protocol) == [.tcp, .tcp, .tcp, .udp, .udp, .udp])
        #expect(made.prefix(3).map(\.address) == ["10.100.0.9", "10.0.0.11", "10.0.0.12"])
        #expect(made.prefix(3).map(\.node) == [nil, "node1", "node2"])
        #expect(
            made[1].labels == ["team": "a", ServiceEndpoints.nameLabel: "web", ServiceEndpoints.viaLabel: "node-port"])
    }

    @Test func headlessServicesHaveNoAddress() {
        #expect(
            ServiceEndpoints.endpoints(of: [service(.clusterIP, ip: "None", ports: [.init(port: 80)])], nodes: nodes)
                .isEmpty)
        let named = ServiceEndpoints.endpoints(
            of: [service(.clusterIP, ip: "10.100.0.9", ports: [.init(port: 80)])], nodes: nodes)
        #expect(named.map(\.id) == ["service/d/web:80", "externalip/10.0.9.9/d/web:80"])
    }

    @Test func aServiceIsProbedOverItsProtocolAndSendsNothing() {
        let pod = Endpoint(
            id: "d/a", kind: .pod, node: "node1", namespace: "d", address: "192.168.1.3", port: 8080, labels: [:])
        let all =
            [pod]
            + ServiceEndpoints.endpoints(
                of: [service(.clusterIP, ip: "10.100.0.9", ports: [.init(protocol: .udp, port: 53)])], nodes: nodes)
        let plan = ProbePlanSpec(pairs: [.init(from: EndpointSelector(), to: EndpointSelector(kind: .service))])
        #expect(
            plan.cells(among: all).map(\.key) == [
                CellKey(from: "d/a", to: "service/d/web:53", protocol: .udp, port: 53),
                CellKey(from: "d/a", to: "externalip/10.0.9.9/d/web:53", protocol: .udp, port: 53),
            ])
    }

    @Test func aRuleSelectsServicesByTheirLabels() {
        let found = ScenarioText.problems(
            ScenarioText.head + ScenarioText.workloads
                + """
                    - apiVersion: v1
                      kind: Service
                      metadata: {name: web}
                      spec: {selector: {app: web}, ports: [{port: 80}]}
                  probes: {pairs: [{from: {kind: pod}, to: {kind: service}}]}
                  timeline:
                    - name: a
                      expect: {matrix: [{from: {kind: pod}, to: service/default/web:81, outcome: open}]}

                """)
        #expect(found.contains { $0.contains("no endpoint \"service/default/web:81\"") })
    }

    /// Every row of the matrix is a valid scenario, except that what the lab lacks is refused by name.
    @Test(arguments: DatapathConfiguration.all)
    func everyConfigurationIsAScenario(_ configuration: DatapathConfiguration) {
        let problems = ScenarioText.problems(of: ConfigurationScenario(rows: [configuration]))
        let others = problems.filter { !$0.contains(" is not supported: ") && !$0.contains(" mistakes of its own") }
        #expect(others == [], "\(configuration)")
    }
}
