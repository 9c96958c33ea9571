import Readings

/// Pods wait because their node's network interfaces have no address left and its instance type allows no more. Both
/// the plugin that refused the pod and the agent that counts the addresses must say so.
enum InterfaceAddressesExhausted: RootCause {
    private static let id = "ipam/eni-addresses-exhausted"
    static let ids = [id]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        var lines: [String] = []
        var exhausted: [(node: NodeReading, pods: [PodReading])] = []
        for node in evidence.nodes {
            guard let addresses = node.interfaceAddresses, let limit = addresses.limit,
                addresses.inUse >= addresses.total
            else { continue }
            let waiting = evidence.pods.filter { $0.node == node.name && $0.reason?.contains(limit) == true }
            guard let first = waiting.first, let reason = first.reason else { continue }
            exhausted.append((node, waiting))
            lines.append(
                "\(node.name): \(addresses.inUse) of \(addresses.total) addresses of \(addresses.interfaces) network "
                    + "interfaces in use; \(limit)")
            lines.append("\(node.name): \(list(waiting.map(\.id))) wait: \(reason)")
        }
        guard !exhausted.isEmpty else { return [] }
        let pods = exhausted.reduce(0) { $0 + $1.pods.count }
        return [
            Explanation(
                finding: Finding(
                    id: id,
                    summary: "\(pods) pods wait for an address: the network interfaces of "
                        + "\(list(exhausted.map(\.node.name))) have none left and the instance type allows no more",
                    evidence: lines,
                    fix: "take a larger instance type, or nodes that start with eni.awsEnablePrefixDelegation: true",
                    confidence: 0.95), cells: [], isEvident: true)
        ]
    }
}
