import Diagnosis
import Readings
import RunEvents
import Scenario

extension Judge {
    /// Packets on the taps while the matrix was measured.
    func wireResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.wire.flatMap { expected -> [ExpectationResult] in
            let names = expected.nodes.isEmpty ? observation.nodes.map(\.name) : expected.nodes
            return names.map { name in
                let leaves = expected.direction == .leaves
                let count = observation.wire.count {
                    $0.node == name && $0.fromNode == leaves
                        && $0.outer.matches(expected.protocol, port: expected.port, expected.side)
                }
                let what = "\(expected.protocol) \(expected.side == .source ? "from " : "")\(expected.port)"
                let title = "wire: \(what) \(expected.present ? "" : "never ")\(leaves ? "leaves" : "reaches") \(name)"
                if count == 0, !observation.recordingIsComplete {
                    return result(title, .inconclusive, "nothing was seen, but the captures missed packets")
                }
                return result(
                    title, (count > 0) == expected.present ? .met : .unmet,
                    "\(count) packets of \(what) \(leaves ? "left" : "arrived on") the tap of \(name)")
            }
        }
    }

    /// Records of the VPC flow log in the time of the measurement.
    func flowLogResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.flowLogs.flatMap { expected -> [ExpectationResult] in
            let names = expected.nodes.isEmpty ? observation.nodes.map(\.name) : expected.nodes
            return names.map { name in
                let records = observation.flowLog.filter {
                    $0.node == name && $0.accepted == (expected.action == "ACCEPT")
                        && $0.flow.matches(expected.protocol, port: expected.port)
                }
                let what = "\(expected.protocol)\(expected.port.map { " \($0)" } ?? "")"
                let title =
                    "flow log of \(name): \(expected.present ? "" : "no ")\(expected.action) for \(what)"
                if records.isEmpty, !observation.recordingIsComplete {
                    return result(title, .inconclusive, "no record was seen, but the flow log missed packets")
                }
                let packets = records.reduce(0) { $0 + $1.packets }
                let example = records.first.map { ", for example \($0.interfaceID) \($0.flow)" } ?? ""
                return result(
                    title, records.isEmpty != expected.present ? .met : .unmet,
                    "\(records.count) records, \(packets) packets\(example)")
            }
        }
    }
}

extension FlowTuple {
    func matches(_ name: String, port: UInt16?, _ side: WireExpectation.Side = .destination) -> Bool {
        let number: UInt8? = ["icmp": 1, "tcp": 6, "udp": 17][name.lowercased()]
        let own = side == .source ? sourcePort : destinationPort
        return (number == nil || number == `protocol`) && (port == nil || port == own)
    }
}
