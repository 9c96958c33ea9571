import AgentAPI
import Datapath
import KubeObjects
import LinuxKernel
import NetAddress
import Netlink
import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

/// One service among a thousand: by this datapath, and by the rules that kube-proxy lays out for as many.
enum ServiceThroughput {
    private static let services = 1000
    private static let iperfPort: UInt16 = 5201
    /// The called one's address, here and in the rules; and its endpoint behind the rules.
    private static let called = IPv4Address(10, 100, 200, 2)
    private static let endpoint = IPv4Address(172, 22, 0, 2)
    /// `iptables-restore` text for the floor, which whoever has kube-proxy's rules put there before this program.
    private static let rules = TestAgent.directory + "/kube-proxy.rules"

    static func rows(_ iperf: Iperf) throws -> [BenchRow] {
        let agent = try TestAgent(in: try TestAgent.nodeAndWorld().node)
        defer { agent.kill() }
        _ = try agent.start()
        let server = try agent.connectPod("server")
        let client = try agent.connectPod("client")
        let objects = (0..<services - 1).map { number in
            Service(
                metadata: ObjectMeta(name: "web-\(number)", namespace: "default"),
                spec: Service.Spec(
                    clusterIP: "10.100.\(number / 250).\(number % 250 + 1)", ports: [Service.Port(port: 80)]))
        }
        let ports = [TransportProtocol.tcp, .udp]
        let own = Service(
            metadata: ObjectMeta(name: "called", namespace: "default"),
            spec: Service.Spec(
                clusterIP: called.description,
                ports: ports.map { Service.Port(name: $0.rawValue, protocol: $0, port: iperfPort) }))
        func slice(_ name: String, _ address: String, _ ports: [EndpointSlice.Port]) -> EndpointSlice {
            EndpointSlice(
                metadata: ObjectMeta(
                    name: name, namespace: "default", labels: [EndpointSlice.serviceNameLabel: name]),
                endpoints: [EndpointSlice.Endpoint(addresses: [address], conditions: .init(ready: true))], ports: ports)
        }
        let slices = objects.enumerated().map { number, service in
            slice(
                service.metadata.name, "192.168.\(2 + number / 250).\(number % 250 + 1)",
                [EndpointSlice.Port(port: 8080)])
        }
        let ownSlice = slice(
            "called", server.address.description,
            ports.map { EndpointSlice.Port(name: $0.rawValue, protocol: $0, port: iperfPort) })
        let _: Acknowledgement = try agent.call(.changeObjects, ObjectChanges(objects + [own], removed: []))
        let _: Acknowledgement = try agent.call(.changeObjects, ObjectChanges(slices + [ownSlice], removed: []))
        let _: Acknowledgement = try agent.call(.setTracing, TracingRequest(points: []))
        let path = ThroughputPath(client: client.path, server: server.path, address: called)
        return try Throughput.compare(
            "a service among \(services)", path, "iptables rules of kube-proxy with \(services)", try floor(iperf),
            atLeast: 2, "without traces", iperf)
    }

    /// A namespace behind a router that has the rules; pod and endpoint as in a node, each by a veth.
    private static func floor(_ iperf: Iperf) throws -> ThroughputPath {
        guard access(rules, R_OK) == 0 else {
            throw SelftestFailure(description: "\(rules) is not there: labrun image bench puts it there")
        }
        let pod = try TestNamespaces.namespace("proxy-pod")
        let server = try TestNamespaces.namespace("proxy-server")
        let router = try TestNamespaces.namespace("proxy")
        let inside = IPv4Address(172, 21, 0, 1)
        let outside = IPv4Address(172, 22, 0, 1)
        try ThroughputFloors.router(router, (pod, inside, IPv4Address(172, 21, 0, 2)), (server, outside, endpoint))
        try iperf.restore(rules, in: router)
        return ThroughputPath(client: pod, server: server, address: called)
    }
}
