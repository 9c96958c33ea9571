import Readings

/// Network policies of the cluster deny what was probed, as the datapath's verdict says.
enum PolicyDenied: RootCause {
    static let ids = [
        "policy/not-allowed", "policy/deny-rule", "policy/request-not-allowed", "policy/name-not-allowed",
    ]

    /// What a drop reason of a policy means.
    struct Denial {
        let id: String
        let words: String
        let fix: String
    }

    static let denials: [DropReason: Denial] = [
        .policyDeniedIngress: Denial(
            id: "policy/not-allowed", words: "no ingress rule of the receivers' policies allows it",
            fix: "allow these sources, protocols and ports in an ingress rule of a policy that selects the receivers"),
        .policyDeniedEgress: Denial(
            id: "policy/not-allowed", words: "no egress rule of the senders' policies allows it",
            fix: "allow these destinations, protocols and ports in an egress rule of a policy that selects the "
                + "senders"),
        .policyDenyRule: Denial(
            id: "policy/deny-rule", words: "a deny rule forbids it, whatever others allow",
            fix: "take these peers or ports out of the deny rule"),
        .policyDeniedRequest: Denial(
            id: "policy/request-not-allowed", words: "the proxy answers 403: no HTTP rule matches the request",
            fix: "allow method, path and headers of the request under rules.http"),
        .policyDeniedName: Denial(
            id: "policy/name-not-allowed", words: "the DNS proxy answers REFUSED: no DNS rule matches the name",
            fix: "allow the name under rules.dns"),
    ]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        DropRecord.all(evidence, paths) { denials[$0] != nil }.compactMap { record in
            guard let denial = denials[record.reason] else { return nil }
            let keys = record.cells.map { evidence.probes[$0].key }
            let who = "\(short(keys.map(\.from))) → \(short(keys.map(\.to)))"
            let policies = record.rules.isEmpty ? "" : ": \(record.ruleWords)"
            return Explanation(
                finding: Finding(
                    id: denial.id, summary: "policy denies \(who); \(denial.words)\(policies)",
                    evidence: record.lines, fix: denial.fix + policies,
                    // The verdict is the datapath's own; without a rule in the event it cannot be traced to a policy.
                    confidence: record.rules.isEmpty ? 0.8 : 0.98),
                cells: record.cells)
        }
    }

    /// At most three names, then how many more there are.
    private static func short(_ ids: [String]) -> String {
        let names = Set(ids).sorted()
        return names.count <= 3 ? list(names) : "\(names[0]), \(names[1]) and \(names.count - 2) others"
    }
}
