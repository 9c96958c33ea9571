import ControlPlane
import Diagnosis
import Lab

/// Turns the state of the control plane's servers into evidence.
extension EvidenceCollector {
    /// How long the API server may take to say that it is ready.
    private static let patience = Duration.seconds(2)

    /// Reads the control plane if an agent says that it is not connected to it.
    func controlPlane(asked nodes: [NodeReading]) async -> ControlPlaneReading? {
        guard let controlPlane = cluster.controlPlane, nodes.contains(where: { $0.apiServer?.isConnected == false })
        else { return nil }
        let plane = controlPlane.plane
        async let beside = plane.probe(.apiServer, within: Self.patience)
        async let ailment = controlPlane.ailmentOnTheWire(within: Self.patience)
        let (answer, onTheWire) = await (beside, ailment)
        var servers: [ControlPlaneReading.Server] = []
        for server in plane.spec.servers {
            let state: ControlPlaneReading.Server.State =
                switch await plane.condition(of: server) {
                case .running: .running
                case .stopped: .stopped
                case .ended: .ended
                }
            servers.append(.init(name: server.rawValue, state: state))
        }
        return ControlPlaneReading(
            place: LabControlPlane.place, address: plane.admin.host, port: plane.admin.port, servers: servers,
            beside: .init(isHealthy: answer.isHealthy, words: answer.answer),
            onTheWire: .init(isHealthy: onTheWire == nil, words: onTheWire ?? "ok"))
    }
}
