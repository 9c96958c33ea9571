import KubeObjects

/// The rules of a kube-proxy with a thousand services, one of which `labverify bench` calls.
public enum KubeProxyFloor {
    private static let services = 1000
    /// The address that the bench calls, and the one that answers there (`ServiceCalls`).
    private static let called = "10.100.200.2"
    private static let endpoint = "172.22.0.2"
    private static let port: UInt16 = 5201
    private static let node = "node"
    private static let pods = "172.21.0.0/24"

    /// The rules in the form for `iptables-restore`.
    public static var rules: String {
        let ports = [TransportProtocol.tcp, .udp]
        // The rules are in the order of the services' names, so half of the others come before the one that is called.
        let names = (0..<services - 1).map { "\($0 % 2 == 0 ? "a" : "z")-\($0)" }
        var objects = names.enumerated().map { number, name in
            service(name, "10.100.\(number / 250).\(number % 250 + 1)", [Service.Port(port: 80)])
        }
        var slices = names.enumerated().map { number, name in
            slice(
                name, "192.168.\(2 + number / 250).\(number % 250 + 1)", [EndpointSlice.Port(port: 8080)])
        }
        objects.append(
            service("called", called, ports.map { Service.Port(name: $0.rawValue, protocol: $0, port: port) }))
        slices.append(
            slice("called", endpoint, ports.map { EndpointSlice.Port(name: $0.rawValue, protocol: $0, port: port) }))
        return KubeProxyRules(services: objects, slices: slices, nodeName: node, clusterCIDR: pods)
            .text(insertingJumps: true)
    }

    private static func service(_ name: String, _ address: String, _ ports: [Service.Port]) -> Service {
        Service(
            metadata: ObjectMeta(name: name, namespace: "default"),
            spec: Service.Spec(clusterIP: address, ports: ports))
    }

    private static func slice(_ name: String, _ address: String, _ ports: [EndpointSlice.Port]) -> EndpointSlice {
        EndpointSlice(
            metadata: ObjectMeta(name: name, namespace: "default", labels: [EndpointSlice.serviceNameLabel: name]),
            endpoints: [EndpointSlice.Endpoint(addresses: [address], conditions: .init(ready: true), nodeName: node)],
            ports: ports)
    }
}
