import AgentAPI
import ClusterClient
import DatapathOptions
import LinuxKernel

/// The range of the node's pods, where others give it through the API server.
///
/// A range that was used is kept on disk, so that an agent that starts again while the server is away goes on with it.
/// While the server answers, it has the say.
enum PodRange {
    /// How long an agent that has a range from before waits for the server's word.
    private static let recheck = Duration.seconds(2)
    /// How long an agent without a range waits for one.
    static let patience = Duration.seconds(60)

    /// - Parameter signals: Is readable when the process is to end.
    /// - Returns: Nil if the process is to end.
    /// - Throws: `DatapathError.rangeUnavailable` after the deadline.
    static func obtain(
        _ config: AgentConfig, _ server: ServerLink, _ store: StateStore, signals: Int32,
        patience: Duration = PodRange.patience
    ) throws -> String? {
        let source: RangeRequest.Source = config.options.ipam.mode == .kubernetes ? .node : .clusterPool
        let request = RangeRequest(
            server.client, nodeName: config.nodeName, nodeAddress: config.nodeAddress, source: source)
        if let kept = try store.podRange() {
            let given = try? Waiting<String?>.run(until: .after(recheck + .milliseconds(500))) {
                try await request.ask(within: recheck)
            }
            guard let given, let given, given != kept else {
                Log.info("range of the node's pods is known from before", ["range": kept])
                return kept
            }
            Log.warning("the node has another range now", ["before": kept, "now": given])
            try store.save(podRange: given)
            return given
        }
        Log.info(
            "waiting for the range of the node's pods", ["from": giver(source), "server": "\(server.client.server)"])
        let deadline = Deadline.after(patience)
        let range = try Waiting<String?>.run(until: deadline, signals: signals) { await request.wait() }
        guard let range, let range else {
            guard deadline.hasPassed else { return nil }
            throw DatapathError.rangeUnavailable(
                node: config.nodeName, pool: pool(config), giver: giver(source), lastSeen: request.lastSeen)
        }
        try store.save(podRange: range)
        Log.info("range of the node's pods", ["range": range, "from": giver(source)])
        return range
    }

    private static func giver(_ source: RangeRequest.Source) -> String {
        switch source {
        case .clusterPool: "the operator (spec.ipam.podCIDRs of the CiliumNode)"
        case .node: "the cluster (spec.podCIDR of the Node)"
        }
    }

    private static func pool(_ config: AgentConfig) -> String {
        let operators = config.options.ipam.operator
        let ranges =
            operators.clusterPoolIPv4PodCIDRList.isEmpty
            ? config.clusterPodCIDRs : operators.clusterPoolIPv4PodCIDRList
        return "the pool " + ranges.joined(separator: ", ")
    }
}
