import ControlPlane
import Lab
import Scenario

/// Kills the API server. Healing starts it again; all that was stored is etcd's, and is still there.
struct APIServerDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "api-server-down", summary: "kill kube-apiserver", parameters: [],
        check: ControlPlaneFault.check, claims: { _, _ in ControlPlaneFault.claims(.apiServer) })

    private let down: ServerDown

    init(_ call: FaultCall, in cluster: Cluster) throws {
        down = ServerDown(server: .apiServer, servers: try ControlPlaneFault.servers(of: cluster, for: call))
    }

    var targets: [String] { [ControlPlaneServer.apiServer.rawValue] }
    var disturbsServers: [ControlPlaneServer] { [.apiServer] }

    func inject() async throws { try await down.inject() }
    func effect() async throws -> Proof { await down.effect() }
    func heal() async throws { try await down.heal() }
    func gone() async throws -> Proof { await down.gone() }
}
