import ControlPlane
import Lab
import Scenario

/// Kills the controller manager: deployments, endpoints and service accounts stay as they are.
struct ControllerManagerDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "controller-manager-down", summary: "kill kube-controller-manager", parameters: [],
        check: ControlPlaneFault.check, claims: { _, _ in ControlPlaneFault.claims(.controllerManager) })

    private let down: ServerDown

    init(_ call: FaultCall, in cluster: Cluster) throws {
        down = ServerDown(server: .controllerManager, servers: try ControlPlaneFault.servers(of: cluster, for: call))
    }

    var targets: [String] { [ControlPlaneServer.controllerManager.rawValue] }
    var disturbsServers: [ControlPlaneServer] { [.controllerManager] }

    func inject() async throws { try await down.inject() }
    func effect() async throws -> Proof { await down.effect() }
    func heal() async throws { try await down.heal() }
    func gone() async throws -> Proof { await down.gone() }
}
