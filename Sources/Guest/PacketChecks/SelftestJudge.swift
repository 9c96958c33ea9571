import Datapath
import DatapathModel
import NetAddress

/// Compares the results of a run with what was expected. It has no side effects.
enum SelftestJudge {
    /// Returns every difference in words.
    static func problems(_ test: SelftestCase, _ seen: SelftestBench.Observation) -> [String] {
        verdictProblems(test, seen) + packetProblems(test, seen) + eventProblems(test, seen)
            + metricProblems(test, seen) + connectionProblems(test, seen)
    }

    /// Times may differ by one second, because the clock goes on between the program and the reading.
    private static func connectionProblems(_ test: SelftestCase, _ seen: SelftestBench.Observation) -> [String] {
        guard let expected = test.connectionsAfter else { return [] }
        var rest = seen.connections
        var problems: [String] = []
        for connection in expected {
            if let index = rest.firstIndex(where: { isSame($0, connection) }) {
                rest.remove(at: index)
            } else {
                problems.append("connection missing: \(words(connection))")
            }
        }
        return problems + rest.map { "connection not expected: \(words($0))" }
    }

    private static func isSame(_ left: TestConnection, _ right: TestConnection) -> Bool {
        var aligned = left
        aligned.seconds = right.seconds
        return aligned == right && abs(left.seconds - right.seconds) <= 1
    }

    private static func words(_ connection: TestConnection) -> String {
        let key = connection.key
        func end(_ address: IPv4Address?, _ port: UInt16) -> String { "\(address?.description ?? "?"):\(port)" }
        return "\(key.direction?.description ?? "?") protocol \(key.ipProtocol) \(end(key.source, key.sourcePort)) -> "
            + "\(end(key.destination, key.destinationPort)) \(connection.state) [\(connection.flags)] "
            + "\(connection.seconds) s identity \(connection.identity) reverse \(connection.reverseIndex) "
            + "backend \(connection.backend) policy revision \(connection.policyRevision)"
    }

    private static func verdictProblems(_ test: SelftestCase, _ seen: SelftestBench.Observation) -> [String] {
        var problems: [String] = []
        if seen.run.verdict != test.verdict.rawValue {
            problems.append("verdict \(seen.run.verdict), expected \(test.verdict) (\(test.verdict.rawValue))")
        }
        if seen.run.mark != test.outputMark {
            problems.append("mark \(hex(seen.run.mark)), expected \(hex(test.outputMark))")
        }
        return problems
    }

    private static func packetProblems(_ test: SelftestCase, _ seen: SelftestBench.Observation) -> [String] {
        let expected = test.output ?? test.packet
        guard seen.run.packet != expected else { return [] }
        return ["packet   \(hex(seen.run.packet))", "expected \(hex(expected))"]
    }

    private static func eventProblems(_ test: SelftestCase, _ seen: SelftestBench.Observation) -> [String] {
        let expected = (test.isUntraced ? test.events.filter(\.reason.isDrop) : test.events).map { event in
            var event = event
            event.direction = event.direction ?? test.program.entry.direction
            return event
        }
        let events = seen.events.map { ExpectedEvent($0) }
        var problems: [String] = []
        if events != expected {
            problems.append("events   \(events)")
            problems.append("expected \(expected)")
        }
        for event in seen.events {
            if event.length != UInt32(test.packet.count) { problems.append("event says length \(event.length)") }
            if event.monotonicNanoseconds == 0 { problems.append("event has no time") }
            if event.kind == .drop, event.location?.line ?? 0 == 0 { problems.append("drop has no line") }
        }
        return problems
    }

    private static func metricProblems(_ test: SelftestCase, _ seen: SelftestBench.Observation) -> [String] {
        let entry = test.program.entry
        var expected: [MetricsKey: UInt64] = [:]
        for event in test.events {
            let direction = event.direction ?? entry.direction
            expected[MetricsKey(reason: event.reason, direction: direction, point: event.point), default: 0] += 1
        }
        if let silent = test.silent {
            expected[MetricsKey(reason: silent, direction: entry.direction, point: entry.point), default: 0] += 1
        }
        var problems: [String] = []
        for key in Set(expected.keys).union(seen.metrics.keys) {
            let packets = seen.metrics[key]?.packets ?? 0
            let wanted = expected[key] ?? 0
            if packets != wanted {
                let point = key.point.map { "\($0)" } ?? "?"
                problems.append("metric \(key.reason) at \(point) counted \(packets), expected \(wanted)")
            } else if seen.metrics[key]?.bytes != wanted * UInt64(test.packet.count) {
                problems.append("metric \(key.reason) counted \(seen.metrics[key]?.bytes ?? 0) bytes")
            }
        }
        return problems
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func hex(_ number: UInt32) -> String {
        "0x" + String(number, radix: 16)
    }
}
