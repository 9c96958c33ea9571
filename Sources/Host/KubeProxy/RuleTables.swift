/// The two tables of a rule set while it is put together.
struct RuleTables {
    private var filterRules: [String] = []
    private var natRules: [String] = []
    private var services: [String] = []
    /// The chains of the table `nat`, in the order in which they were first mentioned.
    private(set) var natChains: [String] = []
    private var known: Set<String> = []
    private var removed: [String] = []
    private var jumps: [KubeProxyRules.Jump] = []

    static let filterChains = [
        "KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FIREWALL", "KUBE-FORWARD",
        "KUBE-PROXY-FIREWALL",
    ]
    static let baseNATChains = ["KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-POSTROUTING"]

    /// Adds the rules that are there even without any service.
    mutating func base() {
        let mark = KubeProxyRules.masqueradeMark
        filterRules += [
            "-A KUBE-FIREWALL -m comment --comment \"block incoming localnet connections\""
                + " -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
            "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\""
                + " -m mark --mark \(mark)/\(mark) -j ACCEPT",
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack"
                + " --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ]
        natRules += [
            "-A KUBE-MARK-MASQ -j MARK --or-mark \(mark)",
            "-A KUBE-POSTROUTING -m mark ! --mark \(mark)/\(mark) -j RETURN",
            "-A KUBE-POSTROUTING -j MARK --xor-mark \(mark)",
            "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\""
                + " -j MASQUERADE --random-fully",
        ]
    }

    mutating func insert(_ some: [KubeProxyRules.Jump]) { jumps += some }

    /// The insertions of the jumps. Each one is put first in its chain, as a real kube-proxy does it, one after the
    /// other.
    private func insertions(_ table: String) -> [String] {
        jumps.filter { $0.table == table }.map { jump in
            let words = jump.rule.map { $0.contains(" ") ? "\"\($0)\"" : $0 }
            return "-I \(jump.chain) " + words.joined(separator: " ")
        }
    }

    /// Adds the rules that must come last.
    mutating func end() {
        services.append(
            "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in"
                + " this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")
    }

    mutating func filter(_ chain: String, comment: String, _ rest: [String], _ target: String) {
        filterRules.append(Self.rule(chain, comment, rest, target, []))
    }

    mutating func natChain(_ chain: String) {
        if known.insert(chain).inserted { natChains.append(chain) }
    }

    mutating func nat(
        _ chain: String, comment: String? = nil, _ rest: [String], _ target: String, _ options: [String] = []
    ) {
        let rule = Self.rule(chain, comment, rest, target, options)
        if chain == "KUBE-SERVICES" { services.append(rule) } else { natRules.append(rule) }
    }

    mutating func remove(_ chains: [String]) {
        removed = chains.filter { !known.contains($0) }
    }

    private static func rule(
        _ chain: String, _ comment: String?, _ rest: [String], _ target: String, _ options: [String]
    ) -> String {
        let said = comment.map { ["-m", "comment", "--comment", $0.contains(" ") ? "\"\($0)\"" : $0] } ?? []
        return (["-A", chain] + said + rest + ["-j", target] + options).joined(separator: " ")
    }

    var text: String {
        let filter =
            ["*filter"] + Self.filterChains.map { ":\($0) - [0:0]" } + insertions("filter") + filterRules + ["COMMIT"]
        let nat =
            ["*nat"] + (Self.baseNATChains + natChains + removed).map { ":\($0) - [0:0]" } + insertions("nat")
            + services
            + natRules
            + removed.map { "-X \($0)" } + ["COMMIT"]
        return (filter + nat).map { $0 + "\n" }.joined()
    }
}
