import ControlPlane
import Lab
import Scenario

/// Delays what the API server answers: its process stands still, over and over.
struct APIServerSlowFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "api-server-slow", summary: "delay answers of kube-apiserver by {delay}", parameters: [ServerSlow.delay],
        check: ServerSlow.check, claims: { _, _ in ControlPlaneFault.claims(.apiServer) })

    private let slow: ServerSlow

    init(_ call: FaultCall, in cluster: Cluster) throws {
        slow = ServerSlow(.apiServer, of: try ControlPlaneFault.servers(of: cluster, for: call), by: call) {
            await $0.ready(within: $1)
        }
    }

    var targets: [String] { [ControlPlaneServer.apiServer.rawValue] }

    func inject() async throws { try await slow.inject() }
    func effect() async throws -> Proof { await slow.effect() }
    func heal() async throws { try await slow.heal() }
    func gone() async throws -> Proof { await slow.gone() }
}
