import KubeObjects

/// ICMP types by the names that CiliumNetworkPolicy knows (RFC 792 and successors).
enum ICMPTypes {
    static let names: [String: UInt8] = [
        "EchoReply": 0, "DestinationUnreachable": 3, "Redirect": 5, "Echo": 8, "EchoRequest": 8,
        "RouterAdvertisement": 9, "RouterSelection": 10, "TimeExceeded": 11, "ParameterProblem": 12, "Timestamp": 13,
        "TimestampReply": 14, "Photuris": 40, "ExtendedEchoRequest": 42, "ExtendedEchoReply": 43,
    ]

    static func ports(
        _ rules: [CiliumICMPRule], _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) -> [RulePort] {
        var ports: [RulePort] = []
        for (index, rule) in rules.enumerated() {
            for (position, field) in rule.fields.enumerated() {
                let place = place["icmps", index]["fields", position]
                let type = refusals.taking { () throws(PolicyRefusal) in try Self.number(of: field, place) }
                if let type { ports.append(.range(PortRange(.icmp, UInt16(type)...UInt16(type)))) }
            }
        }
        return ports
    }

    private static func number(of field: CiliumICMPRule.Field, _ place: PolicyPlace) throws(PolicyRefusal) -> UInt8 {
        switch field.family ?? "IPv4" {
        case "IPv4": break
        case "IPv6": throw place.refuse("family: IPv6 is not supported")
        default: throw place.refuse("family: \(field.family ?? "") is neither IPv4 nor IPv6")
        }
        let named = field.type.name.flatMap { names[$0] }
        guard let type = named ?? field.type.number.flatMap({ UInt8(exactly: $0) }) else {
            throw place.refuse("type: \(field.type) is no ICMP type")
        }
        return type
    }
}
