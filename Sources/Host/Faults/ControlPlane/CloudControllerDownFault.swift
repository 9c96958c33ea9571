import ControlPlane
import Lab
import Scenario

/// Kills the cloud controller: load balancers and routes stay as they are, nodes that join stay uninitialized, and no
/// machine is launched.
struct CloudControllerDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "cloud-controller-down", summary: "kill the cloud controller", parameters: [],
        check: { check in
            ControlPlaneFault.check(&check)
            guard let profile = check.profile, profile.controlPlane.enabled, !profile.controlPlane.cloudController
            else {
                return
            }
            check.report(
                at: "fault", message: "lab \(profile.name) has no cloud controller",
                expected: "\"controlPlane: {cloudController: true}\" in the lab or in \"overrides\"")
        }, claims: { _, _ in ControlPlaneFault.claims(.cloudController) })

    private let down: ServerDown

    init(_ call: FaultCall, in cluster: Cluster) throws {
        let servers = try ControlPlaneFault.servers(of: cluster, for: call)
        guard servers.plane.spec.servers.contains(.cloudController) else {
            throw FaultError(call, "the lab has no cloud controller")
        }
        down = ServerDown(server: .cloudController, servers: servers)
    }

    var targets: [String] { [ControlPlaneServer.cloudController.rawValue] }
    var disturbsServers: [ControlPlaneServer] { [.cloudController] }

    func inject() async throws { try await down.inject() }
    func effect() async throws -> Proof { await down.effect() }
    func heal() async throws { try await down.heal() }
    func gone() async throws -> Proof { await down.gone() }
}
