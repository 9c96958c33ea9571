import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

/// Packets that must be, or must not be, on the nodes' taps while the matrix is measured.
package struct WireExpectation: Codable, Sendable {
    package enum Direction: String, Codable, Sendable, CaseIterable {
        case leaves, arrives
    }
    /// The end of a flow whose port is given.
    package enum Side: String, Codable, Sendable, CaseIterable {
        case destination, source
    }
    package var `protocol`: String
    package var port: UInt16
    package var side: Side = .destination
    package var direction: Direction
    /// The nodes whose taps are looked at, or all nodes if it is empty.
    package var nodes: [String]
    /// Whether there must be such packets. Otherwise there must be none.
    package var present: Bool
}

// MARK: Shape

extension WireExpectation: Expectation {
    package static let field = Field(
        "wire",
        .list(
            .object(
                ObjectShape(
                    name: "wire expectation", help: "Packets that must be, or must not be, on the nodes' taps.",
                    fields: [
                        Field("protocol", .choice(["tcp", "udp"]), required: true, "Protocol."),
                        Field(
                            "port", .integer(1...65535), required: true, "Destination port, or as `side` says."),
                        Field(
                            "side", .choice(Side.allCases.map(\.rawValue)), "Whose port it is; the destination's."),
                        Field("leaves", .nodes(orNone: true), "Nodes that send such packets; none: no node does."),
                        Field(
                            "arrives", .nodes(orNone: true), "Nodes whose interface is reached by such packets."),
                        Field("present", .flag, "false: there must be no such packet at the nodes named."),
                    ],
                    oneOf: Direction.allCases.map(\.rawValue))), atLeast: 1), "Packets on the nodes' taps.")
}

// MARK: Reading

extension WireExpectation {
    /// An entry with both `leaves` and `arrives` makes two expectations.
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [WireExpectation] {
        entry.value.items.flatMap { item in
            Direction.allCases.compactMap { direction in
                guard let nodes = item[direction.rawValue] else { return nil }
                return WireExpectation(
                    protocol: item["protocol"]?.text ?? "", port: item["port"]?.port ?? 0,
                    side: item["side"]?.text.flatMap(Side.init(rawValue:)) ?? .destination, direction: direction,
                    nodes: reader.nodeNames(nodes), present: reader.presence(item, nodes))
            }
        }
    }
}

// MARK: Words

extension WireExpectation {
    /// For example `wire: udp/8472 leaves every node` or `wire: no udp/8472 arrives at any node`.
    package var words: String {
        let at = present ? nodes.places() : nodes.places(else: "any node")
        let verb = direction == .leaves ? "leaves" : "arrives at"
        let traffic = "\(side == .source ? "answer of " : "")\(`protocol`)/\(port)"
        return "wire: \(present ? "" : "no ")\(traffic) \(verb) \(at)"
    }
}

// MARK: Judgement

extension WireExpectation {
    package static func judge(
        _ expected: [WireExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.flatMap { expected in
            observation.names(of: expected.nodes).map {
                expected.judge($0, observation)
            }
        }
    }

    private func judge(_ name: String, _ observation: Observation) -> ExpectationResult {
        let leaves = direction == .leaves
        let count = observation.wire.count {
            $0.node == name && $0.fromNode == leaves
                && $0.outer.matches(`protocol`, port: port, atSource: side == .source)
        }
        let what = "\(`protocol`) \(side == .source ? "from " : "")\(port)"
        let title = "wire: \(what) \(present ? "" : "never ")\(leaves ? "leaves" : "reaches") \(name)"
        if count == 0, !observation.recordingIsComplete {
            return ExpectationResult(title, .inconclusive, "nothing was seen, but the captures missed packets")
        }
        if count == 0, present, let doubt = observation.doubt {
            return ExpectationResult(title, .inconclusive, "nothing was seen, but \(doubt)")
        }
        return ExpectationResult(
            title, (count > 0) == present ? .met : .unmet,
            "\(count) packets of \(what) \(leaves ? "left" : "arrived on") the tap of \(name)")
    }
}
