import KubeObjects

/// ICMP types by the names that CiliumNetworkPolicy knows (RFC 792 and successors).
enum ICMPTypes {
    static let names: [String: UInt8] = [
        "EchoReply": 0, "DestinationUnreachable": 3, "Redirect": 5, "Echo": 8, "EchoRequest": 8,
        "RouterAdvertisement": 9, "RouterSelection": 10, "TimeExceeded": 11, "ParameterProblem": 12, "Timestamp": 13,
        "TimestampReply": 14, "Photuris": 40, "ExtendedEchoRequest": 42, "ExtendedEchoReply": 43,
    ]

    static func ports(_ rules: [CiliumICMPRule], _ place: PolicyPlace) throws(PolicyRefusal) -> [RulePort] {
        var ports: [RulePort] = []
        for (index, rule) in rules.enumerated() {
            for (number, field) in rule.fields.enumerated() {
                let place = place["icmps", index]["fields", number]
                switch field.family ?? "IPv4" {
                case "IPv4": break
                case "IPv6": throw place.refuse("family: IPv6 is not supported")
                default: throw place.refuse("family: \(field.family ?? "") is neither IPv4 nor IPv6")
                }
                let named = field.type.name.flatMap { names[$0] }
                guard let type = named ?? field.type.number.flatMap({ UInt8(exactly: $0) }) else {
                    throw place.refuse("type: \(field.type) is no ICMP type")
                }
                ports.append(.range(PortRange(.icmp, UInt16(type)...UInt16(type))))
            }
        }
        return ports
    }
}
