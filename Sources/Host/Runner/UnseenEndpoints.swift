import AgentAPI
import Diagnosis
import Lab
import NodeProtocol

extension EvidenceCollector {
    /// Returns what agent and kernel say of endpoints without a veth, or nil if either cannot be asked.
    ///
    /// - Parameter names: `namespace/name`, as in the agent's status. If it is empty, nothing is asked.
    func unseen(_ names: [String], of node: ClusterNode) async -> [NodeReading.UnseenEndpoint]? {
        guard !names.isEmpty else { return [] }
        guard let endpoints = try? await node.agent(.endpoints, as: [AgentEndpoint].self, within: .seconds(3)),
            case .podInterfaces(let interfaces)? = try? await node.call(.podInterfaces, within: .seconds(3))
        else { return nil }
        let found = Dictionary(interfaces.map { ("\($0.pod.namespace)/\($0.pod.name)", $0) }) { first, _ in first }
        return endpoints.filter { names.contains("\($0.namespace)/\($0.name)") }.map { endpoint in
            let pod = "\(endpoint.namespace)/\(endpoint.name)"
            return NodeReading.UnseenEndpoint(
                pod: pod, endpointID: endpoint.id, address: endpoint.address, ifindex: endpoint.ifindex,
                mac: endpoint.mac, interface: found[pod]?.name, kind: found[pod]?.kind, interfaceMAC: found[pod]?.mac)
        }
    }
}
