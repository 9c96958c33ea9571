import JSON

extension NftablesListing.Rule {
    /// The matches among a rule's expressions in the words of `Ruleset.match`, so that what the kernel has can be
    /// compared with what was asked for. Nil when a match is of a kind that `Ruleset.match` does not write. The forms
    /// are those of libnftables-json(5), "match".
    static func match(_ statements: [JSONValue]) -> String? {
        var words = ""
        for case .object(let statement) in statements {
            guard let match = statement["match"] else { continue }
            guard case .object(let parts) = match, parts["op"] == .string("=="), let left = field(parts["left"]),
                let right = value(parts["right"], of: left)
            else { return nil }
            words += "\(left) \(right) "
        }
        return words
    }

    /// What is compared: `ip saddr`, `tcp dport`, `meta l4proto`.
    private static func field(_ left: JSONValue?) -> String? {
        guard case .object(let kinds) = left else { return nil }
        if case .object(let payload) = kinds["payload"], case .string(let header) = payload["protocol"],
            case .string(let field) = payload["field"]
        {
            return "\(header) \(field)"
        }
        if case .object(let meta) = kinds["meta"], case .string(let key) = meta["key"] { return "meta \(key)" }
        return nil
    }

    /// What it is compared with: a set, a network, a protocol, a port or a range of ports.
    private static func value(_ right: JSONValue?, of field: String) -> String? {
        let isProtocol = field == "meta l4proto"
        switch right {
        case .string(let text)?:
            // nftables writes a network of one address without its length.
            return text.hasPrefix("@") || isProtocol ? text : "\(text)/32"
        case .integer?:
            guard let number = right?.count else { return nil }
            return isProtocol ? protocols[number] : "\(number)"
        case .object(let kinds)?:
            if case .object(let prefix) = kinds["prefix"], case .string(let address) = prefix["addr"],
                let length = prefix["len"]?.count
            {
                return "\(address)/\(length)"
            }
            if case .array(let ends) = kinds["range"], ends.count == 2, let low = ends[0].count,
                let high = ends[1].count
            {
                return "\(low)-\(high)"
            }
            return nil
        default: return nil
        }
    }

    /// IANA's numbers of the protocols that a rule may name.
    private static let protocols: [UInt64: String] = [1: "icmp", 6: "tcp", 17: "udp"]
}
