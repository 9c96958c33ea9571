import AgentAPI

/// `datapathd bpf ct list`.
enum ConnectionText {
    static func text(_ connections: [ConnectionSample]) -> String {
        var table = TextTable(
            "PROTO", "DIRECTION", "SOURCE", "DESTINATION", "STATE", "LEFT", "IDENTITY", "REV", "FLAGS")
        for one in connections {
            table.add(
                name(of: one.protocol), one.direction, "\(one.source):\(one.sourcePort)",
                "\(one.destination):\(one.destinationPort)", one.state, "\(one.secondsLeft)s", "\(one.sourceIdentity)",
                one.reverseIndex == 0 ? "-" : "\(one.reverseIndex)",
                one.flags.isEmpty ? "-" : one.flags.joined(separator: ","))
        }
        return table.text
    }

    private static func name(of number: UInt8) -> String {
        switch number {
        case 1: "ICMP"
        case 6: "TCP"
        case 17: "UDP"
        default: "\(number)"
        }
    }
}
