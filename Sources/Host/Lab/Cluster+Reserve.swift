import CloudAPI
import Scenario

extension Cluster: MachineReserve {
    func isThere(_ node: String) -> Bool { membership.standing(of: node) != .absent }

    func isPowered(_ node: String) async -> Bool {
        guard let node = self.node(named: node) else { return false }
        return await node.state.power != .stopped
    }

    func start(_ node: String, _ data: KubeletUserData) async throws {
        let taints = data.taints.map { NodeTraits.Taint(key: $0.key, value: $0.value, effect: $0.effect) }
        try await join([node], with: NodeTraits(labels: data.labels, taints: taints))
    }

    func end(_ node: String) async throws { try await leave([node]) }
}
