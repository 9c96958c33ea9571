import ControlPlane
import Lab
import Scenario

/// Delays what etcd answers the API server, so that whatever it must read or store takes longer.
struct EtcdSlowFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "etcd-slow", summary: "delay answers of etcd by {delay}", parameters: [ServerSlow.delay],
        check: ServerSlow.check, claims: { _, _ in ControlPlaneFault.claims(.etcd) })

    private let slow: ServerSlow

    init(_ call: FaultCall, in cluster: Cluster) throws {
        slow = ServerSlow(.etcd, of: try ControlPlaneFault.servers(of: cluster, for: call), by: call) {
            await $0.stored(within: $1)
        }
    }

    var targets: [String] { [ControlPlaneServer.etcd.rawValue] }

    func inject() async throws { try await slow.inject() }
    func effect() async throws -> Proof { await slow.effect() }
    func heal() async throws { try await slow.heal() }
    func gone() async throws -> Proof { await slow.gone() }
}
