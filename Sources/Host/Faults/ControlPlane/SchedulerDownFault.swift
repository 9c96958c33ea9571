import ControlPlane
import Lab
import Scenario

/// Kills the scheduler: pods without a node wait.
struct SchedulerDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "scheduler-down", summary: "kill kube-scheduler", parameters: [],
        check: ControlPlaneFault.check, claims: { _, _ in ControlPlaneFault.claims(.scheduler) })

    private let down: ServerDown

    init(_ call: FaultCall, in cluster: Cluster) throws {
        down = ServerDown(server: .scheduler, servers: try ControlPlaneFault.servers(of: cluster, for: call))
    }

    var targets: [String] { [ControlPlaneServer.scheduler.rawValue] }
    var disturbsServers: [ControlPlaneServer] { [.scheduler] }

    func inject() async throws { try await down.inject() }
    func effect() async throws -> Proof { await down.effect() }
    func heal() async throws { try await down.heal() }
    func gone() async throws -> Proof { await down.gone() }
}
