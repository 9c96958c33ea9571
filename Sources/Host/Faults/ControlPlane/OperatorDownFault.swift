import ControlPlane
import Lab
import Scenario

/// Kills the datapath's operator: nodes that join get no range, and what nobody uses any more stays.
struct OperatorDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "operator-down", summary: "kill the datapath's operator", parameters: [],
        check: ControlPlaneFault.check, claims: { _, _ in ControlPlaneFault.claims(.datapathOperator) })

    private let down: ServerDown

    init(_ call: FaultCall, in cluster: Cluster) throws {
        down = ServerDown(server: .datapathOperator, servers: try ControlPlaneFault.servers(of: cluster, for: call))
    }

    var targets: [String] { [ControlPlaneServer.datapathOperator.rawValue] }
    var disturbsServers: [ControlPlaneServer] { [.datapathOperator] }

    func inject() async throws { try await down.inject() }
    func effect() async throws -> Proof { await down.effect() }
    func heal() async throws { try await down.heal() }
    func gone() async throws -> Proof { await down.gone() }
}
