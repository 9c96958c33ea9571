import AgentAPI
import Datapath
import Files
import KubeObjects
import LinuxKernel
import NetAddress
import PacketChecks

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Measures connections a second to one service among many, by this datapath and by kube-proxy's rules for as many
/// services. A connection's first packet is the one for which the service is looked up.
enum ServiceCalls {
    private static let few = 1000
    private static let many = 10_000
    /// The number of objects in a request.
    private static let batch = 250
    /// The called service's port, address and, behind the rules, endpoint. They are those of the rules.
    private static let port: UInt16 = 5201
    private static let called = IPv4Address(10, 100, 200, 2)
    private static let endpoint = IPv4Address(172, 22, 0, 2)
    private static let restore = "/usr/sbin/xtables-nft-multi"

    /// - Parameter rules: The path of the rules of a kube-proxy with a thousand services, or nil if there are none.
    static func rows(rules: String?) throws -> [BenchRow] {
        let agents = [TestAgent.Place.node, .peer]
        let started = try agents.map { try TestAgent($0, in: try TestAgent.nodeAndWorld($0).node) }
        defer { for agent in started { agent.kill() } }
        let paths = try zip(started, [few, many]).map { try path(of: $0, among: $1) }
        var ways = try paths.map { try Calls(.connections, on: $0, port: port) }
        let floor = try rules.map { try proxied(by: $0) }
        if let floor {
            for path in try [floor, ThroughputFloors.veth()] {
                ways.append(try Calls(.connections, on: path, port: port))
            }
        }
        let rates = try Turns.rates(ways.map { $0.run(milliseconds:) })
        let how = "\(Turns.count) turns of \(Turns.milliseconds) ms each, without traces"
        var rows = [
            BenchRow(
                name: "a service among \(many) ÷ among \(few), connections a second",
                value: Turns.ratio(rates[1], rates[0]), unit: "×", atLeast: 0.9,
                how: "\(Int(median(rates[1]))) to \(Int(median(rates[0]))), \(how)")
        ]
        if floor != nil {
            rows.append(
                BenchRow(
                    name: "a service among \(few) ÷ kube-proxy's rules, connections a second",
                    value: Turns.ratio(rates[0], rates[2]), unit: "×", atLeast: 1.5,
                    how: "\(Int(median(rates[0]))) to \(Int(median(rates[2]))), \(how)"))
            rows.append(
                BenchRow(
                    name: "nothing but a veth ÷ kube-proxy's rules, connections a second",
                    value: Turns.ratio(rates[3], rates[2]), unit: "×",
                    how: "\(Int(median(rates[3]))) to \(Int(median(rates[2]))), what no datapath exceeds"))
        }
        return rows
    }

    /// Two pods of an agent that knows this number of services, and the address of the one that the second pod serves.
    private static func path(of agent: TestAgent, among count: Int) throws -> ThroughputPath {
        _ = try agent.start()
        let server = try agent.connectPod("server")
        let client = try agent.connectPod("client")
        let others = (0..<count - 1).map { number in
            service("web-\(number)", "10.101.\(number / 250).\(number % 250 + 1)", 80)
        }
        let slices = others.enumerated().map { number, service in
            slice(service.metadata.name, "192.168.\(3 + number / 250).\(number % 250 + 1)", 8080)
        }
        try give(agent, others + [service("called", called.description, port)])
        try give(agent, slices + [slice("called", server.address.description, port)])
        let _: Acknowledgement = try agent.call(.setTracing, TracingRequest(points: []))
        return ThroughputPath(client: client.path, server: server.path, address: called)
    }

    private static func give<Object: KubeObject>(_ agent: TestAgent, _ objects: [Object]) throws {
        for start in stride(from: 0, to: objects.count, by: batch) {
            let some = Array(objects[start..<min(start + batch, objects.count)])
            let _: Acknowledgement = try agent.call(.changeObjects, ObjectChanges(some, removed: []))
        }
    }

    private static func service(_ name: String, _ address: String, _ port: UInt16) -> Service {
        Service(
            metadata: ObjectMeta(name: name, namespace: "default"),
            spec: Service.Spec(clusterIP: address, ports: [Service.Port(port: port)]))
    }

    private static func slice(_ name: String, _ address: String, _ port: UInt16) -> EndpointSlice {
        EndpointSlice(
            metadata: ObjectMeta(name: name, namespace: "default", labels: [EndpointSlice.serviceNameLabel: name]),
            endpoints: [EndpointSlice.Endpoint(addresses: [address], conditions: .init(ready: true))],
            ports: [EndpointSlice.Port(port: port)])
    }

    /// A namespace behind a router that has the rules. Pod and endpoint are connected by a veth each, as in a node.
    private static func proxied(by rules: String) throws -> ThroughputPath {
        guard access(rules, R_OK) == 0 else { throw BenchLack(description: "no file \(rules)") }
        guard access(restore, X_OK) == 0 else { throw BenchLack(description: "no \(restore): make deps") }
        let pod = try TestNamespaces.namespace("proxy-pod")
        let server = try TestNamespaces.namespace("proxy-server")
        let router = try TestNamespaces.namespace("proxy")
        let inside = IPv4Address(172, 21, 0, 1)
        let outside = IPv4Address(172, 22, 0, 1)
        try ThroughputFloors.router(router, (pod, inside, IPv4Address(172, 21, 0, 2)), (server, outside, endpoint))
        let log = TestAgent.directory + "/iptables-restore.log"
        let restoring = try NetworkNamespace(path: router).run {
            try spawn(restore, ["iptables-nft-restore", "-w", "5", "--noflush", rules], output: log)
        }
        let status = try waitForEnd(of: restoring, within: .seconds(120))
        guard status == 0 else {
            let words = String(decoding: try AtomicFile.read(log)?.suffix(400) ?? [], as: UTF8.self)
            throw BenchLack(description: "iptables-restore ended with \(status): \(words)")
        }
        return ThroughputPath(client: pod, server: server, address: called)
    }
}
