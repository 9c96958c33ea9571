import Foundation
import KubeClient
public import ServerProgram

extension ServerProgram {
    /// The datapath's operator.
    public static let datapathOperator = ServerProgram(name: "labrun-operator") { context in
        let settings = try JSONDecoder().decode(OperatorSettings.self, from: Data(context.settings.utf8))
        // One that is started again is another one: it waits until the lease of the one before has run out.
        let identity = "labrun-operator-" + UUID().uuidString.prefix(8).lowercased()
        let lease = ServedLease(context.client, name: "cilium-operator-resource-lock")
        let service = OperatorService(
            store: ServedOperatorStore(client: context.client), election: LeaderElection(lease, identity: identity),
            pool: settings.pool.isEmpty ? nil : try RangePool(settings),
            round: .seconds(max(1, settings.roundSeconds)), health: context.health, log: log)
        await service.run()
    }
}
