import CloudAPI
import Readings
public import Fabric
import Foundation
import LinuxKernel
import NetAddress
import NodeProtocol
import Prober
import Scenario
public import VPCServices

/// What answers at the hosts of the lab's cloud: resolver, metadata and interface service, the internet, and the
/// probes' receivers. Sockets in the fabric's network namespaces, threads in the lab host.
public final class LabCloud: Sendable {
    /// A host of the cloud with its network namespace.
    private final class Host: Sendable {
        let name: String
        let namespace: NetworkNamespace

        init(_ name: String, of fabric: Fabric) async throws {
            self.name = name
            let descriptor = try await fabric.namespaceDescriptor(of: name)
            namespace = try NetworkNamespace(path: "/proc/self/fd/\(descriptor.rawValue)")
        }
    }

    /// The name under which sightings and receipts have the cloud's hosts, where nodes have their own names.
    static let receiver = "the cloud"
    /// The Kubernetes namespace under which the prober knows the cloud's hosts.
    private static let namespace = "vpc"

    public let interfaces: CloudInterfaces
    /// What the control plane may ask of machines and load balancers.
    let machines: CloudMachines
    private let hosts: [Host]
    private let receivers: Receivers
    private let balancers: LoadBalancers?
    private let resolver: DNSServer
    private let servers: [HTTPServer]
    private let echoes: [EchoServer]

    /// Starts everything on a fabric that was made from the plan's specification.
    ///
    /// - Throws: `SystemError`, `FabricError`.
    public static func start(_ plan: LabPlan, on fabric: Fabric) async throws -> LabCloud {
        var hosts: [Host] = []
        for name in plan.cloudHosts { hosts.append(try await Host(name, of: fabric)) }
        let interfaces = try CloudInterfaces(plan, fabric: fabric)
        return try LabCloud(
            plan, hosts: hosts, router: try await Host("vpc-router", of: fabric), interfaces: interfaces,
            routes: fabric)
    }

    private init(
        _ plan: LabPlan, hosts: [Host], router: Host, interfaces: CloudInterfaces, routes: any RouteTable
    ) throws {
        self.hosts = hosts
        self.interfaces = interfaces
        let balancers = try hosts.first { $0.name == CloudLayout.balancerHost }.map { host in
            try LoadBalancers(plan, namespace: "/proc/self/fd/\(host.namespace.rawDescriptor)")
        }
        self.balancers = balancers
        let machines = CloudMachines(plan, interfaces, balancers: balancers, routes: routes)
        self.machines = machines
        receivers = try Receivers()
        var servers = [
            try HTTPServer("metadata", port: CloudService.port, in: router.namespace) { request in
                if request.target == CloudService.accountPath { return await machines.answer(request) }
                return await interfaces.answer(request)
            }
        ]
        var echoes: [EchoServer] = []
        var resolver: DNSServer?
        // What answers there are the servers themselves.
        for host in hosts where !Self.isServed(host.name) {
            try receivers.open(Self.reference(host.name), port: CloudLayout.echoPort, in: host.namespace)
            if host.name == CloudLayout.resolverHost {
                resolver = try DNSServer(DNSZone(plan.zone), in: host.namespace)
                continue
            }
            let name = host.name
            servers.append(
                try HTTPServer("http \(name)", port: 80, in: host.namespace) { request in
                    HTTPResponse(text: "\(name) saw \(request.peer) \(request.method) \(request.target)\n")
                })
            echoes.append(try EchoServer("echo \(name)", port: 443, in: host.namespace))
        }
        guard let resolver else { throw LabError(.plan, "lab \(plan.profile.name) has no resolver") }
        self.resolver = resolver
        self.servers = servers
        self.echoes = echoes
    }

    /// Tells the cloud whose machines it can start and end.
    public func use(_ cluster: Cluster) async { await machines.use(cluster) }

    /// Closes all sockets.
    public func stop() {
        resolver.stop()
        servers.forEach { $0.stop() }
        echoes.forEach { $0.stop() }
        if let balancers { Task { await balancers.stop() } }
        for host in hosts where !Self.isServed(host.name) { receivers.close(Self.reference(host.name)) }
    }

    /// Whether something else than the prober answers at a host.
    private static func isServed(_ host: String) -> Bool {
        host == ControlPlaneLayout.host || host == CloudLayout.balancerHost
    }

    /// Queries that came to the VPC's resolver since a moment, oldest first.
    public func queries(since: MonotonicTime? = nil) -> (queries: [DNSQuery], isComplete: Bool) {
        resolver.queries(since: since)
    }

    // MARK: Probes

    /// Sends probes from the cloud's hosts, as a node's runtime does from its pods.
    func probe(_ plan: ProbePlan) async throws -> (summary: ProbeSummary, results: [ProbeResult]) {
        let paths = Dictionary(
            hosts.map { ($0.name, "/proc/self/fd/\($0.namespace.rawDescriptor)") }
        ) { first, _ in first }
        return try await onOwnThread("cloud prober") {
            func path(_ host: PodReference) -> String { paths[host.name] ?? "/proc/self/ns/none" }
            let (summary, results) = try ProbeRun(plan, namespacePath: path).run()
            return (summary, results + (plan.requests.isEmpty ? [] : try RequestRun(plan, namespacePath: path).run()))
        }
    }

    /// What the hosts' receivers saw of a plan.
    func sightings(plan: UInt64) -> [Sighting] { receivers.sightings(plan: plan) }

    static func reference(_ host: String) -> PodReference { PodReference(namespace: namespace, name: host) }
}

extension LabPlan {
    /// The hosts of the cloud, each of which has a network namespace.
    var cloudHosts: [String] {
        [CloudLayout.resolverHost] + profile.cloud.hosts.map(\.name)
            + (profile.controlPlane.enabled ? [ControlPlaneLayout.host] : [])
            + (profile.balancerPlace == nil ? [] : [CloudLayout.balancerHost])
            + (profile.cloud.internetGateway ? [CloudLayout.internetHost] : [])
    }

    /// The resolver's names: nodes and hosts as `NAME.internal` (nodes by their bare names too), and the profile's own.
    var zone: [String: [UInt32]] {
        var zone: [String: [UInt32]] = [:]
        func add(_ name: String, _ addresses: [String]) {
            zone[name] = addresses.compactMap { IPv4Address($0)?.rawValue }
        }
        for node in nodes {
            add(node.name, [node.address])
            add(node.name + ".internal", [node.address])
        }
        for host in profile.cloud.hosts { add(host.name + ".internal", [host.address]) }
        if let address = profile.controlPlaneAddress { add(ControlPlaneLayout.host + ".internal", [address]) }
        for (name, addresses) in profile.cloud.records { add(name, addresses) }
        return zone
    }

    /// The address at which a sender finds a target: from the internet a node is found by its public address.
    func address(of target: Endpoint, from sender: Endpoint) -> String {
        guard sender.kind == .internet, target.kind == .node, let node = target.node.flatMap({ self.node($0) }),
            !node.publicAddress.isEmpty
        else { return target.address }
        return node.publicAddress
    }
}

extension Endpoint {
    /// Who can say what the endpoint received: its node, or the cloud; nil for an endpoint that is on neither.
    var receiver: String? { node ?? (kind.isCloudHost ? LabCloud.receiver : nil) }

    /// The pod, or the host of the cloud, from whose network the endpoint sends; nil for a node.
    var senderReference: PodReference? { LabProfile.cloudHost(of: self).map(LabCloud.reference) ?? podReference }
}
