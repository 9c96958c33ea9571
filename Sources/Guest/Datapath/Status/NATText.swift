import AgentAPI

/// `datapathd bpf nat list`, in the manner of `cilium bpf nat list`.
public enum NATText {
    public static func text(_ listing: NATListing) -> String {
        listing.mappings.map { line($0) + "\n" }.joined() + "\(listing.mappings.count)/\(listing.maximum) entries\n"
    }

    private static func line(_ mapping: NATMapping) -> String {
        let leaves = mapping.direction == "egress"
        var line = "\(name(mapping.protocol)) \(leaves ? "OUT" : "IN") "
        line += "\(mapping.source):\(mapping.sourcePort) -> \(mapping.destination):\(mapping.destinationPort) "
        line += "\(leaves ? "XLATE_SRC" : "XLATE_DST") \(mapping.translatedAddress):\(mapping.translatedPort) "
        line += "Created=\(mapping.ageSeconds)sec ago Used=\(mapping.idleSeconds)sec ago"
        for (word, holds) in [
            ("host", mapping.isHost), ("answered", mapping.isAnswered), ("closing", mapping.isClosing),
        ]
        where holds {
            line += " \(word)"
        }
        return TextTable.printable(line)
    }

    private static func name(_ number: UInt8) -> String {
        switch number {
        case 1: "ICMP"
        case 6: "TCP"
        case 17: "UDP"
        default: "\(number)"
        }
    }
}
