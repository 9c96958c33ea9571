import AgentAPI
import LinuxKernel
import NetAddress

/// Measures the reachability of the cluster's nodes and their health endpoints from this node's host network.
enum HealthProbe {
    /// Probes everything at the same time.
    ///
    /// - Throws: `DatapathError` for a malformed address, `SystemError` if no probe could be sent at all.
    static func report(own: NodeEntry, nodes: [NodeEntry], deadline: Duration) throws -> HealthReport {
        let others = nodes.filter { $0.name != own.name }.sorted { $0.name < $1.name }
        let all = [own] + others
        let targets = try all.flatMap { node in
            try [node.address, node.healthAddress].map { text in
                guard let address = IPv4Address(text) else {
                    throw DatapathError.invalidConfiguration("node \(node.name): not an IPv4 address: \"\(text)\"")
                }
                return address
            }
        }
        let latencies = try EchoProber.probe(targets, deadline: deadline)
        let peers = all.enumerated().map { index, node in
            HealthPeer(
                name: node.name, address: node.address, isLocal: node.name == own.name,
                nodeReachable: latencies[2 * index] != nil, endpointReachable: latencies[2 * index + 1] != nil,
                nodeLatencyMicros: latencies[2 * index], endpointLatencyMicros: latencies[2 * index + 1])
        }
        return HealthReport(
            nodeName: own.name, reachable: peers.filter { $0.nodeReachable && $0.endpointReachable }.count,
            total: peers.count, peers: peers)
    }
}
