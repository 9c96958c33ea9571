import AgentAPI

/// One line an event, in the manner of `cilium monitor`.
public enum MonitorText {
    public static func line(_ event: DatapathEvent) -> String {
        var line: String
        let time = "[\(seconds(event.nanoseconds))] "
        if let reason = event.dropReason {
            line = time + "xx drop (\(reason)\(event.dropCode.map { ", \($0)" } ?? "")) at \(event.point)"
        } else if event.point == "policy-verdict" {
            line = time + "-> policy-verdict allowed \(event.direction ?? "")"
        } else {
            line = time + "-> \(event.point)"
        }
        if event.endpointID != 0 { line += " endpoint \(event.endpointID)" }
        line += " identity \(event.sourceIdentity)->\(event.destinationIdentity)"
        if !event.interface.isEmpty { line += " interface \(event.interface)" }
        if let peer = event.tunnelPeer { line += " tunnel \(peer)" }
        line += ": \(flow(event)) \(event.length) bytes"
        if let names = event.destinationNames { line += " to \(names.joined(separator: ","))" }
        if let rule = event.rule { line += " rule \"\(rule)\"" }
        if let location = event.location, event.dropReason != nil { line += " file \(location)" }
        return TextTable.printable(line)
    }

    private static func flow(_ event: DatapathEvent) -> String {
        switch event.protocol {
        case 6, 17:
            "\(event.source):\(event.sourcePort) -> \(event.destination):\(event.destinationPort) "
                + (event.protocol == 6 ? "tcp" : "udp")
        case 1:
            "\(event.source) -> \(event.destination) icmp id \(event.icmpID) seq \(event.icmpSequence)"
        default: "\(event.source) -> \(event.destination) protocol \(event.protocol)"
        }
    }

    private static func seconds(_ nanoseconds: UInt64) -> String {
        let micros = nanoseconds / 1000 % 1_000_000
        let digits = String(micros)
        return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 6 - digits.count) + digits
    }
}
