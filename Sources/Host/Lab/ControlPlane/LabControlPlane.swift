import CloudController
public import ControlPlane
import Fabric
import Foundation
public import KubeClient
import LinuxKernel
import Scenario
import Synchronization

/// The servers of the lab's control plane, in the network namespace of the cloud's host `control-plane`.
public final class LabControlPlane: Sendable {
    public let plane: ControlPlane
    public let address: String
    /// The programs that it runs.
    public let programs: ControlPlanePrograms
    /// The path of the administrator's kubeconfig in the lab's own file system.
    public let kubeconfig: String
    private let namespace: NetworkNamespace
    /// From there, requests come over the wire, as a node's do.
    private let router: NetworkNamespace
    private let toleration = Mutex<[ControlPlaneServer: Int]>([:])
    private let failed: Mutex<@Sendable (LabError) -> Void> = Mutex { _ in }

    /// Prepares keys and files. No server runs yet.
    ///
    /// - Parameters:
    ///   - folder: A folder of the lab's own file system, for secrets and etcd's data.
    ///   - artifacts: The folder of logs and of the audit log.
    ///   - notice: Called when a server has ended.
    /// - Throws: `LabError`, `FabricError`, `SystemError`, `ControlPlaneError`.
    public static func make(
        _ plan: LabPlan, programs: ControlPlanePrograms, on fabric: Fabric, folder: String, artifacts: String,
        notice: @escaping @Sendable (ControlPlaneNotice) -> Void
    ) async throws -> LabControlPlane {
        guard let place = plan.profile.controlPlanePlace else {
            throw LabError(.plan, "lab \(plan.profile.name) has no address for a control plane")
        }
        let own = try await fabric.namespaceDescriptor(of: ControlPlaneLayout.host)
        let router = try await fabric.namespaceDescriptor(of: "vpc-router")
        return try LabControlPlane(
            spec: ControlPlaneSpec(
                programs: programs, address: place.address.description, port: ControlPlaneLayout.port,
                names: ["\(ControlPlaneLayout.host).internal"], serviceCIDR: plan.profile.serviceCIDR,
                podCIDRs: plan.clusterPodCIDRs, folder: folder, artifacts: artifacts,
                nodes: plan.nodes.map { ControlPlaneNode(name: $0.name, address: $0.address) },
                ownSettings: try ownSettings(plan)),
            namespace: try NetworkNamespace(path: "/proc/self/fd/\(own.rawValue)"),
            router: try NetworkNamespace(path: "/proc/self/fd/\(router.rawValue)"), notice: notice)
    }

    /// The settings of the programs that labrun brings itself.
    private static func ownSettings(_ plan: LabPlan) throws -> [ControlPlaneServer: String] {
        var settings: [ControlPlaneServer: String] = [.datapathOperator: try operatorSettings(plan)]
        if plan.profile.controlPlane.cloudController {
            let layout = plan.profile.controlPlane
            settings[.cloudController] =
                CloudControllerSettings(
                    autoscaler: layout.autoscaler,
                    routedPods: layout.configureCloudRoutes ? plan.clusterPodCIDRs : nil,
                    gateways: layout.gatewayController ? true : nil
                ).text
        }
        return settings
    }

    private init(
        spec: ControlPlaneSpec, namespace: consuming NetworkNamespace, router: consuming NetworkNamespace,
        notice: @escaping @Sendable (ControlPlaneNotice) -> Void
    ) throws {
        let listener = NoticeListener()
        address = spec.address
        programs = spec.programs
        kubeconfig = "\(spec.folder)/kubeconfig"
        plane = try ControlPlane(
            spec, namespacePath: "/proc/self/fd/\(namespace.rawDescriptor)", notice: { listener.take($0) })
        self.namespace = namespace
        self.router = router
        listener.listen { [weak self] ended in
            notice(ended)
            self?.take(ended)
        }
    }

    /// The descriptor of the network namespace that the servers are in. It is open as long as this object lives.
    public var namespaceDescriptor: Int32 { namespace.rawDescriptor }

    /// Who may do everything.
    public var admin: KubeServer { plane.admin }

    /// A client that asks from beside the servers.
    public func client(_ userAgent: String = "labrun") -> KubeClient {
        KubeClient(plane.admin, userAgent: userAgent, in: namespace.rawDescriptor)
    }

    /// A client that asks from the VPC's router, so that its requests come to the API server over the wire.
    public func clientOnTheWire(_ userAgent: String = "labrun") -> KubeClient {
        KubeClient(plane.admin, userAgent: userAgent, in: router.rawDescriptor)
    }

    /// The name of the servers' host in captures of the cloud.
    public static let place = ControlPlaneLayout.host

    /// Why the API server is not ready, asked for `/readyz` over the wire; nil if it is.
    public func ailmentOnTheWire(within limit: Duration) async -> String? {
        let client = clientOnTheWire()
        let ailment: String?
        do {
            let response = try await client.send(KubeRequest(path: "/readyz"), within: limit)
            ailment = response.status == 200 ? nil : "status \(response.status)"
        } catch {
            ailment = "\(error)"
        }
        await client.close()
        return ailment
    }

    /// The state of each server, as lines of text, so that the state before a fault and after it can be compared.
    func state() async -> [String] {
        var lines: [String] = []
        for server in plane.spec.servers {
            lines.append("\(server) \(await plane.isRunning(server) ? "running" : "not running")")
        }
        return lines
    }

    /// Starts the servers and returns when they are ready.
    ///
    /// - Parameter prepare: Called when the API server is ready, while the others come up.
    public func boot(within deadline: Duration, prepare: @escaping @Sendable () async throws -> Void) async throws {
        let bytes = Array(try plane.kubeconfig().utf8)
        try await plane.start()
        try FileDescriptor.open(kubeconfig, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600).writeAll(bytes)
        try await plane.waitUntilServing(within: deadline)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [plane] in try await plane.waitUntilReady(within: deadline) }
            group.addTask { [plane] in
                try await prepare()
                // What labrun brings itself needs its roles.
                for server in plane.spec.servers where server.isOwn { try await plane.start(server) }
            }
            try await group.waitForAll()
        }
    }

    public func stop() async { await plane.stop() }

    // MARK: Ends

    /// Says that the end of a server is intended and no failure of the lab, or takes it back. Calls are counted.
    public func tolerate(_ server: ControlPlaneServer, _ on: Bool) {
        toleration.withLock { $0[server, default: 0] += on ? 1 : -1 }
    }

    /// The servers whose end is still intended.
    var tolerated: [String] {
        toleration.withLock { $0 }.filter { $0.value != 0 }.map(\.key.rawValue).sorted()
    }

    /// Sets what is called with the end of a server that nobody intended.
    func onFailure(_ body: @escaping @Sendable (LabError) -> Void) { failed.withLock { $0 = body } }

    private func take(_ notice: ControlPlaneNotice) {
        guard !notice.wasExpected, toleration.withLock({ $0[notice.server, default: 0] }) == 0 else { return }
        let error = LabError(
            .controlPlaneFailed, "\(notice.server) of the control plane ended: \(notice.status)",
            lastLines: notice.lastLines)
        failed.withLock { $0 }(error)
    }
}

/// Hands notices to an object that is still being made.
private final class NoticeListener: Sendable {
    private let listener = Mutex<(@Sendable (ControlPlaneNotice) -> Void)?>(nil)

    func listen(_ body: @escaping @Sendable (ControlPlaneNotice) -> Void) { listener.withLock { $0 = body } }

    func take(_ notice: ControlPlaneNotice) { listener.withLock { $0 }?(notice) }
}
