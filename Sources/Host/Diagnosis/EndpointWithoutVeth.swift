import Readings

/// Pods whose interface is no veth: the agent lists them with `ifindex=0`, and in their network namespace is a network
/// card. No program is on their way, so nobody translates their calls of services, and no policy applies to them. Both
/// the agent and the pod's own list of interfaces must show it, and no program may have seen a packet of a failing
/// call.
enum EndpointWithoutVeth: RootCause {
    static let ids = ["datapath/endpoint-without-veth"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        var unseen: [(node: String, endpoint: NodeReading.UnseenEndpoint)] = []
        for node in evidence.nodes {
            for endpoint in node.unseenEndpoints ?? []
            where endpoint.ifindex == 0 && endpoint.interface != nil && endpoint.kind != "veth" {
                unseen.append((node.name, endpoint))
            }
        }
        guard !unseen.isEmpty else { return [] }
        var lines = unseen.prefix(4).map { node, endpoint in
            "\(node): endpoint \(endpoint.endpointID) \(endpoint.pod) \(endpoint.address) ifindex=\(endpoint.ifindex) "
                + "mac=\(endpoint.mac); in the pod \(endpoint.interface ?? "") is "
                + (endpoint.kind.map { "of kind \($0)" } ?? "a card")
                + " with mac=\(endpoint.interfaceMAC ?? "unknown")"
        }
        if unseen.count > 4 { lines.append("and \(unseen.count - 4) more") }
        let cells = calls(of: Set(unseen.map(\.endpoint.pod)), evidence, paths)
        if !cells.isEmpty {
            let services = Set(cells.map { evidence.probes[$0].key.to })
            lines.append("calls of \(list(services)) by these pods fail, and no program reported a packet of them")
        }
        return [
            Explanation(
                finding: Finding(
                    id: ids[0],
                    summary:
                        "the datapath does not see \(unseen.count) pods of \(list(Set(unseen.map(\.node)))): their "
                        + "interfaces have no end on the node where a program could be attached",
                    evidence: lines,
                    fix: "give pods veths of the datapath's own, in an overlay: cni.chainingMode: none, "
                        + "routingMode: tunnel",
                    confidence: 0.95), cells: cells, isEvident: true)
        ]
    }

    /// Failing calls of services that left their pod unseen. Where the pod's node may have traced more than was read,
    /// no call is one.
    private static func calls(of pods: Set<String>, _ evidence: Evidence, _ paths: PathIndex) -> Set<Int> {
        let seen = Set(evidence.datapath.map(\.flow))
        return Set(
            paths.failing.filter { index in
                let probe = evidence.probes[index]
                guard pods.contains(probe.key.from), paths.endpoints[probe.key.to]?.kind == .service else {
                    return false
                }
                guard let flow = probe.flow, let node = paths.node(ofEndpoint: probe.key.from) else { return false }
                return evidence.traceGap(of: node, about: flow) == nil && !seen.contains(flow)
            })
    }
}
