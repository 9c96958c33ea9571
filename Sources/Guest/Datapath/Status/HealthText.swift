import AgentAPI

/// `datapathd health`, in the manner of `cilium-health status`.
public enum HealthText {
    /// - Parameter time: The time of the probes, as in RFC 3339.
    public static func text(_ report: HealthReport, time: String) -> String {
        var text = "Probe time:       \(time)\n"
        text += "Cluster health:   \(report.reachable)/\(report.total) reachable   (\(time))\n"
        var table = TextTable("Name", "IP", "Node", "Endpoints")
        for peer in report.peers {
            table.add(
                peer.name + (peer.isLocal ? " (localhost)" : ""), peer.address, reach(peer.nodeReachable),
                reach(peer.endpointReachable))
        }
        return text + table.text
    }

    private static func reach(_ reachable: Bool) -> String { reachable ? "reachable" : "unreachable" }
}
