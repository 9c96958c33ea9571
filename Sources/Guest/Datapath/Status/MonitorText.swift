import Readings

/// One line an event, in the manner of `cilium monitor`.
public enum MonitorText {
    public static func line(_ event: PacketEvent) -> String {
        var line: String
        let time = "[\(seconds(event.nanoseconds))] "
        if let drop = event.drop {
            line = time + "xx drop (\(drop.reason)\(drop.code.map { ", \($0)" } ?? "")) at \(event.hook)"
        } else if event.hook == .policyVerdict {
            line = time + "-> policy-verdict allowed \(event.direction?.rawValue ?? "")"
        } else {
            line = time + "-> \(event.hook)"
        }
        if event.endpointID != 0 { line += " endpoint \(event.endpointID)" }
        line += " identity \(event.sourceIdentity)->\(event.destinationIdentity)"
        if !event.interface.isEmpty { line += " interface \(event.interface)" }
        if let peer = event.tunnelPeer { line += " tunnel \(peer)" }
        line += ": \(flow(event)) \(event.length) bytes"
        if let names = event.destinationNames { line += " to \(names.joined(separator: ","))" }
        if let rule = event.rule { line += " rule \"\(rule)\"" }
        if let location = event.drop?.location { line += " file \(location)" }
        return TextTable.printable(line)
    }

    private static func flow(_ event: PacketEvent) -> String {
        let flow = event.flow
        return switch flow.protocol {
        case 6, 17:
            "\(flow.source):\(flow.sourcePort) -> \(flow.destination):\(flow.destinationPort) "
                + (flow.protocol == 6 ? "tcp" : "udp")
        case 1:
            "\(flow.source) -> \(flow.destination) icmp id \(flow.icmpID) seq \(event.icmpSequence)"
        default: "\(flow.source) -> \(flow.destination) protocol \(flow.protocol)"
        }
    }

    private static func seconds(_ nanoseconds: UInt64) -> String {
        let micros = nanoseconds / 1000 % 1_000_000
        let digits = String(micros)
        return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 6 - digits.count) + digits
    }
}
