import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

/// A record that must be, or must not be, in the VPC flow logs of the time in which the matrix is measured.
package struct FlowLogExpectation: Codable, Sendable {
    /// The action, `ACCEPT` or `REJECT`.
    package var action: String
    package var `protocol`: String
    /// The destination port, or nil for any.
    package var port: UInt16?
    /// The nodes whose interfaces are meant, or all nodes if it is empty.
    package var nodes: [String]
    /// Whether there must be such a record. Otherwise there must be none.
    package var present: Bool
}

// MARK: Shape

extension FlowLogExpectation: Expectation {
    package static let field = Field(
        "flowLogs",
        .list(
            .object(
                ObjectShape(
                    name: "flow log expectation",
                    help: "A record that must be, or must not be, in the VPC flow logs.",
                    fields: [
                        Field("action", .choice(["ACCEPT", "REJECT"]), required: true, "What was done."),
                        Field("protocol", .choice(["tcp", "udp", "icmp"]), required: true, "Protocol."),
                        Field("port", .integer(1...65535), "Destination port; any when left out."),
                        Field("nodes", .nodes(orNone: true), "Nodes whose interface has the record; all."),
                        Field("present", .flag, "false: there must be no such record at the nodes named."),
                    ])), atLeast: 1), "Records of the VPC flow logs.")
}

// MARK: Reading

extension FlowLogExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [FlowLogExpectation] {
        entry.value.items.map { item in
            if let port = item["port"], item["protocol"]?.text == "icmp" {
                reader.checker.report(port.place, "icmp has no port")
            }
            return FlowLogExpectation(
                action: item["action"]?.text ?? "", protocol: item["protocol"]?.text ?? "", port: item["port"]?.port,
                nodes: reader.nodeNames(item["nodes"]), present: reader.presence(item, item["nodes"]))
        }
    }
}

// MARK: Words

extension FlowLogExpectation {
    /// For example `flow log: REJECT udp/8472 at every node`.
    package var words: String {
        let traffic = port.map { "\(`protocol`)/\($0)" } ?? `protocol`
        let at = present ? nodes.places() : nodes.places(else: "any node")
        return "flow log: \(present ? "" : "no ")\(action) \(traffic) at \(at)"
    }
}

// MARK: Judgement

extension FlowLogExpectation {
    package static func judge(
        _ expected: [FlowLogExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.flatMap { expected in
            observation.names(of: expected.nodes).map {
                expected.judge($0, observation)
            }
        }
    }

    private func judge(_ name: String, _ observation: Observation) -> ExpectationResult {
        let records = observation.flowLog.filter {
            $0.node == name && $0.accepted == (action == "ACCEPT") && $0.flow.matches(`protocol`, port: port)
        }
        let what = "\(`protocol`)\(port.map { " \($0)" } ?? "")"
        let title = "flow log of \(name): \(present ? "" : "no ")\(action) for \(what)"
        if records.isEmpty, !observation.recordingIsComplete {
            return ExpectationResult(title, .inconclusive, "no record was seen, but the flow log missed packets")
        }
        if records.isEmpty, present, let doubt = observation.doubt {
            return ExpectationResult(title, .inconclusive, "no record was seen, but \(doubt)")
        }
        let packets = records.reduce(0) { $0 + $1.packets }
        let example = records.first.map { ", for example \($0.interfaceID) \($0.flow)" } ?? ""
        return ExpectationResult(
            title, records.isEmpty != present ? .met : .unmet,
            "\(records.count) records, \(packets) packets\(example)")
    }
}
