import KubeObjects
import NetAddress
import Testing

@testable import Lab

@Suite struct ServiceObjectTests {
    private func range(_ text: String) throws -> IPv4CIDR { try #require(IPv4CIDR(text)) }

    private func service(
        _ name: String, _ type: Service.ServiceType = .clusterIP, ip: String? = nil, ports: [Service.Port]? = nil,
        selector: [String: String] = ["app": "web"]
    ) -> Service {
        Service(
            metadata: ObjectMeta(name: name, namespace: "d"),
            spec: .init(type: type, clusterIP: ip, selector: selector, ports: ports ?? [.init(port: 80)]))
    }

    private func pod(
        _ name: String, _ ip: String?, labels: [String: String] = ["app": "web"], ready: Bool = true,
        ports: [Pod.Port] = []
    ) -> Pod {
        Pod(
            metadata: ObjectMeta(name: name, namespace: "d", labels: labels),
            spec: .init(nodeName: "node1", containers: [.init(name: "c", ports: ports)]),
            status: .init(podIP: ip, conditions: [.init(type: "Ready", status: ready ? "True" : "False")]))
    }

    @Test func addressesAndNodePortsAreAllocated() throws {
        var allocation = ServiceAllocation(range: try range("10.100.0.0/16"))
        let a = try allocation.complete(service("a"), replacing: nil)
        let b = try allocation.complete(service("b", .nodePort), replacing: nil)
        let c = try allocation.complete(service("c", .loadBalancer, ip: "10.100.0.1"), replacing: nil)
        #expect([a, b, c].map(\.spec.clusterIP) == ["10.100.0.16", "10.100.0.17", "10.100.0.1"])
        #expect([a, b, c].map { $0.spec.ports[0].nodePort } == [nil, 30_086, 30_087])
        // A service that is applied again keeps what it had.
        #expect(try allocation.complete(service("b", .nodePort), replacing: b) == b)
        // A headless service and one of type ExternalName have no address.
        #expect(try allocation.complete(service("h", ip: "None"), replacing: nil).clusterAddresses.isEmpty)
        #expect(throws: LabError.self) { try allocation.complete(service("x", ip: "10.100.0.17"), replacing: nil) }
        #expect(throws: LabError.self) { try allocation.complete(service("x", ip: "10.1.0.17"), replacing: nil) }
        allocation.release(b.key)
        #expect(try allocation.complete(service("x"), replacing: nil).spec.clusterIP == "10.100.0.17")
    }

    @Test func severalPortsHaveDifferentNodePorts() throws {
        var allocation = ServiceAllocation(range: try range("10.100.0.0/16"))
        let ports = [
            Service.Port(name: "a", port: 80), Service.Port(name: "b", port: 81),
            Service.Port(name: "c", protocol: .udp, port: 80),
        ]
        let made = try allocation.complete(service("a", .nodePort, ports: ports), replacing: nil)
        #expect(made.spec.ports.map(\.nodePort) == [30_086, 30_087, 30_086])
    }

    /// TCP and UDP may share a number, and a port that asks for none does not get one that another port asks for.
    @Test func portsOfOneServiceAreItsOwn() throws {
        var allocation = ServiceAllocation(range: try range("10.100.0.0/16"))
        let ports = [
            Service.Port(name: "free", port: 79), Service.Port(name: "a", port: 80, nodePort: 30_086),
            Service.Port(name: "b", protocol: .udp, port: 80, nodePort: 30_086),
        ]
        let made = try allocation.complete(service("a", .nodePort, ports: ports), replacing: nil)
        #expect(made.spec.ports.map(\.nodePort) == [30_087, 30_086, 30_086])
        let twice = [
            Service.Port(name: "a", port: 80, nodePort: 30_090), Service.Port(name: "b", port: 81, nodePort: 30_090),
        ]
        #expect(throws: LabError.self) {
            try allocation.complete(service("b", .nodePort, ports: twice), replacing: nil)
        }
    }

    @Test func aRangeIsExhausted() throws {
        var allocation = ServiceAllocation(range: try range("10.0.0.0/30"))
        _ = try allocation.complete(service("a"), replacing: nil)
        _ = try allocation.complete(service("b"), replacing: nil)
        let error = #expect(throws: LabError.self) { try allocation.complete(service("c"), replacing: nil) }
        #expect(error?.message.contains("10.0.0.0/30") == true)
    }

    @Test func slicesHaveThePodsThatAreSelected() throws {
        let pods = [
            pod("a", "192.168.1.5"), pod("b", "192.168.1.6", ready: false), pod("c", nil), pod("gone", "192.168.1.7"),
            pod("other", "192.168.1.8", labels: ["app": "db"]),
        ]
        let slices = EndpointSliceController.slices(
            services: [service("web"), service("manual", selector: [:])], pods: pods,
            terminating: [ObjectKey(namespace: "d", name: "gone")])
        #expect(slices.count == 1)
        let slice = try #require(slices.first)
        #expect(slice.service == ObjectKey(namespace: "d", name: "web"))
        #expect(slice.endpoints.map { $0.addresses[0] } == ["192.168.1.5", "192.168.1.6", "192.168.1.7"])
        #expect(slice.endpoints.map(\.conditions.isReady) == [true, false, false])
        #expect(slice.endpoints.map(\.conditions.isServing) == [true, false, true])
        #expect(slice.endpoints.map(\.conditions.isTerminating) == [false, false, true])
        #expect(slice.ports == [EndpointSlice.Port(name: "", port: 80)])
    }

    @Test func namedPortsOfDifferentNumbersAreSlicesOfTheirOwn() {
        let named = service("web", ports: [.init(name: "http", port: 80, targetPort: .text("http"))])
        let pods = [
            pod("a", "192.168.1.5", ports: [.init(name: "http", containerPort: 8080)]),
            pod("b", "192.168.1.6", ports: [.init(name: "http", containerPort: 9090)]),
            pod("c", "192.168.1.7", ports: [.init(name: "https", containerPort: 443)]),
        ]
        let slices = EndpointSliceController.slices(services: [named], pods: pods)
        #expect(slices.map { $0.ports.map(\.port) } == [[8080], [9090]])
        #expect(Set(slices.map(\.key.name)).count == 2)
    }

    @Test func aSliceHasAHundredEndpoints() {
        let pods = (0..<250).map { pod("p\(1000 + $0)", "192.168.\($0 / 200).\($0 % 200)") }
        let slices = EndpointSliceController.slices(services: [service("web")], pods: pods)
        #expect(slices.map(\.endpoints.count) == [100, 100, 50])
        // One more pod changes one slice.
        let more = EndpointSliceController.slices(
            services: [service("web")], pods: pods + [pod("p9999", "192.168.9.9")])
        #expect(zip(slices, more).filter { $0 != $1 }.count == 1)
    }

    @Test func theStoreHasWhatFollowsFromObjects() throws {
        var store = ClusterStore(serviceRange: try range("10.100.0.0/16"))
        try store.apply(.service(service("web")))
        try store.apply(
            .endpointSlice(
                EndpointSlice(
                    metadata: ObjectMeta(
                        name: "by-hand", namespace: "d", labels: [EndpointSlice.serviceNameLabel: "manual"]),
                    endpoints: [.init(addresses: ["10.0.0.9"])])))
        try store.apply(.namespace(Namespace(metadata: ObjectMeta(name: "d", labels: ["team": "a"]))))
        let objects = store.objects(nodes: [], pods: [pod("a", "192.168.1.5")])
        #expect(objects.endpointSlices.count == 2)
        #expect(
            objects.namespaces[ObjectKey(namespace: "", name: "d")]?.metadata.labels
                == ["team": "a", Namespace.nameLabel: "d"])
        #expect(objects.namespaces.count == 3)
        store.delete(.services, ObjectKey(namespace: "d", name: "web"))
        #expect(store.objects(nodes: [], pods: [pod("a", "192.168.1.5")]).endpointSlices.count == 1)
    }
}
