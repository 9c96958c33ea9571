/// What `iptables-save -c` printed in a node: the rules as the kernel has them, with their counters.
public struct SavedRules: Sendable, Hashable {
    public struct Rule: Sendable, Hashable {
        /// `nat`
        public let table: String
        /// `KUBE-SEP-…`
        public let chain: String
        /// The rule as it would be added, without counters: `-A KUBE-SEP-… -s 10.0.0.1/32 …`.
        public let text: String
        public let packets: UInt64

        /// Where matching packets go: `DROP`, `DNAT` or a chain. It is nil if the rule has no target.
        public var target: String? { argument("-j") }
        /// The `address:port` of a DNAT rule.
        public var destination: String? { argument("--to-destination") }
        /// The rule's comment, without quotes.
        public var comment: String? { argument("--comment") }
        /// Whether the rule is in one of kube-proxy's chains, or jumps into one.
        public var isKubeProxys: Bool { chain.hasPrefix("KUBE-") || target?.hasPrefix("KUBE-") == true }

        /// Returns the word after an option. A quoted word may have spaces.
        func argument(_ option: String) -> String? {
            let words = Self.words(text)
            guard let place = words.firstIndex(of: option), place + 1 < words.count else { return nil }
            return words[place + 1]
        }

        /// Splits a rule into words as a shell would, but knows double quotes and backslashes only.
        static func words(_ text: String) -> [String] {
            var words: [String] = []
            var word = ""
            var isQuoted = false
            var isEscaped = false
            var hasWord = false
            for character in text {
                if isEscaped {
                    word.append(character)
                    isEscaped = false
                } else if character == "\\" {
                    (isEscaped, hasWord) = (true, true)
                } else if character == "\"" {
                    isQuoted.toggle()
                    hasWord = true
                } else if character == " ", !isQuoted {
                    if hasWord { words.append(word) }
                    (word, hasWord) = ("", false)
                } else {
                    word.append(character)
                    hasWord = true
                }
            }
            return hasWord ? words + [word] : words
        }
    }

    public var rules: [Rule] = []
    /// The chains by table, in the order in which they were listed.
    public var chains: [String: [String]] = [:]

    /// Reads the output. Lines of another form are skipped, because warnings about other tables may stand between the
    /// rules.
    public init(_ text: String) {
        var table = ""
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("*") {
                table = String(line.dropFirst())
            } else if line.hasPrefix(":"), let name = line.dropFirst().split(separator: " ").first {
                chains[table, default: []].append(String(name))
            } else if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                let counters = line[line.index(after: line.startIndex)..<end].split(separator: ":")
                let rule = line[line.index(after: end)...].drop { $0 == " " }
                let words = rule.split(separator: " ", maxSplits: 2)
                guard let packets = counters.first.flatMap({ UInt64($0) }), words.count >= 2, words[0] == "-A" else {
                    continue
                }
                rules.append(
                    Rule(table: table, chain: String(words[1]), text: String(rule), packets: packets))
            }
        }
    }

    /// The rules that belong to kube-proxy.
    public var kubeProxys: [Rule] { rules.filter(\.isKubeProxys) }

    /// The chains that belong to kube-proxy, each with its table: `nat KUBE-SERVICES`.
    public var kubeProxyChains: Set<String> {
        Set(
            chains.flatMap { table, names in
                names.filter { $0.hasPrefix("KUBE-") }.map { "\(table) \($0)" }
            })
    }

    /// The text for `iptables-restore --noflush` that removes everything that belongs to kube-proxy, as `kube-proxy
    /// --cleanup` does. It is empty if there is nothing to remove.
    public var cleanup: String {
        ["filter", "nat"].map { table -> String in
            let own = (chains[table] ?? []).filter { $0.hasPrefix("KUBE-") }
            guard !own.isEmpty else { return "" }
            let jumps = rules.filter { $0.table == table && !$0.chain.hasPrefix("KUBE-") && $0.isKubeProxys }
            let lines =
                ["*\(table)"] + own.map { ":\($0) - [0:0]" } + jumps.map { "-D" + $0.text.dropFirst(2) }
                + own.map { "-X \($0)" } + ["COMMIT"]
            return lines.map { $0 + "\n" }.joined()
        }.joined()
    }
}
