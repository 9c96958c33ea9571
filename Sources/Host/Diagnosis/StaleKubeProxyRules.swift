import Readings

/// Calls of services that fail because of rules of kube-proxy's: one that sends them to a backend that is gone, or the
/// one that drops what the kernel's conntrack takes for invalid because it saw only half of the connection.
///
/// The evidence is the rule, read from the sender's node, and its counter, which grew while the calls failed.
enum StaleKubeProxyRules: RootCause {
    static let ids = ["services/stale-kube-proxy-rules"]

    private struct Hit: Hashable {
        let node: String
        let rule: NetfilterRuleReading
    }

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        var cells: Set<Int> = []
        var hits: Set<Hit> = []
        for index in paths.failing {
            let probe = evidence.probes[index]
            guard let target = paths.endpoints[probe.key.to], target.kind == .service,
                let from = paths.endpoints[probe.key.from], let node = from.node.flatMap({ paths.nodes[$0] })
            else { continue }
            let hit = (node.kubeProxyRules ?? []).filter { rule in
                guard rule.grew ?? 0 > 0 else { return false }
                return isStale(rule, of: target, evidence.serviceBackends) || dropsInvalid(rule, from, probe)
            }
            guard !hit.isEmpty else { continue }
            cells.insert(index)
            hits.formUnion(hit.map { Hit(node: node.name, rule: $0) })
        }
        guard !hits.isEmpty else { return [] }
        let nodes = Set(hits.map(\.node))
        let unkept = nodes.filter { paths.nodes[$0]?.kubeProxyRuns == false }
        let drops = hits.contains { $0.rule.target == "DROP" }
        var lines = hits.sorted { ($0.node, $0.rule.rule) < ($1.node, $1.rule.rule) }.map { hit in
            "\(hit.node): \(hit.rule.table): \(hit.rule.rule): matched \(hit.rule.grew ?? 0) packets in the round"
        }
        if !unkept.isEmpty { lines.append("no kube-proxy runs on \(list(unkept)) that would keep these rules") }
        return [
            Explanation(
                finding: Finding(
                    id: ids[0],
                    summary: "rules of kube-proxy on \(list(nodes)) "
                        + (drops
                            ? "drop calls of services, of which netfilter sees one direction only"
                            : "send calls of services to backends that are not there"),
                    evidence: lines,
                    fix: drops
                        ? "bpf.masquerade: true, so that pods' traffic no longer crosses netfilter, or remove the rules"
                            + " (kube-proxy --cleanup)"
                        : "remove the rules (kube-proxy --cleanup) and set kubeProxyReplacement: true, or run "
                            + "kube-proxy again",
                    confidence: unkept.isEmpty ? 0.7 : 0.9),
                cells: cells)
        ]
    }

    /// Whether it is a DNAT of this service to an address that the service's endpoint slices do not have.
    private static func isStale(
        _ rule: NetfilterRuleReading, of target: Endpoint, _ backends: [String: Set<String>]
    ) -> Bool {
        guard rule.chain.hasPrefix("KUBE-SEP-"), let address = rule.destination?.split(separator: ":").first,
            let service = rule.comment?.split(separator: ":").first.map(String.init),
            let name = target.labels["kubernetes.io/service-name"],
            service == "\(target.namespace ?? "default")/\(name)", let known = backends[service]
        else { return false }
        return !known.contains(String(address))
    }

    /// Whether it is `KUBE-FORWARD`'s drop of what conntrack takes for invalid, such as a segment of a connection whose
    /// SYN ACK it has not seen.
    private static func dropsInvalid(_ rule: NetfilterRuleReading, _ from: Endpoint, _ probe: ProbeReading) -> Bool {
        rule.chain == "KUBE-FORWARD" && rule.target == "DROP" && rule.rule.contains("INVALID")
            && probe.key.protocol.transport == .tcp && from.kind == .pod
    }
}
