import Foundation
import Readings
import Testing

/// The text of a packet event: what agents write, and what any agent may send.
@Suite struct PacketEventTests {
    private static let drop = PacketEvent(
        sequence: 7, nanoseconds: 12_000_345_678, hook: .fromEndpoint, direction: .ingress,
        drop: PacketDrop(.policyDeniedIngress, code: -45, location: "policy.h:142"),
        flow: FlowTuple(
            protocol: 6, source: "192.168.1.3", sourcePort: 1234, destination: "192.168.1.9", destinationPort: 80),
        sourceIdentity: 300, destinationIdentity: 301, endpointID: 4, interface: "lxc1", length: 74,
        rule: "NetworkPolicy default/web", destinationNames: ["web.example"])

    private static let trace = PacketEvent(
        node: "node1", sequence: 8, hook: .toOverlay,
        flow: FlowTuple(
            protocol: 1, source: "192.168.1.3", sourcePort: 0, destination: "192.168.2.9", destinationPort: 0, icmpID: 9
        ),
        icmpSequence: 2, tunnelPeer: "10.0.0.12")

    /// As agents have always written them.
    private static let dropLine =
        #"{"destination":"192.168.1.9","destinationIdentity":301,"destinationNames":["web.example"],"#
        + #""destinationPort":80,"#
        + #""direction":"ingress","dropCode":-45,"dropReason":"policy-denied-ingress","endpointID":4,"icmpID":0,"#
        + #""icmpSequence":0,"interface":"lxc1","length":74,"location":"policy.h:142","nanoseconds":12000345678,"#
        + #""point":"from-endpoint","protocol":6,"rule":"NetworkPolicy default/web","sequence":7,"#
        + #""source":"192.168.1.3","sourceIdentity":300,"sourcePort":1234}"#
    private static let traceLine =
        #"{"destination":"192.168.2.9","destinationIdentity":0,"destinationPort":0,"endpointID":0,"icmpID":9,"#
        + #""icmpSequence":2,"interface":"","length":0,"nanoseconds":0,"node":"node1","point":"to-overlay","#
        + #""protocol":1,"#
        + #""sequence":8,"source":"192.168.1.3","sourceIdentity":0,"sourcePort":0,"tunnelPeer":"10.0.0.12"}"#

    @Test(
        "the line of an event stays",
        arguments: [
            (PacketEventTests.drop, PacketEventTests.dropLine), (PacketEventTests.trace, PacketEventTests.traceLine),
        ])
    func roundTrip(event: PacketEvent, line: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        #expect(String(decoding: try encoder.encode(event), as: UTF8.self) == line)
        #expect(try JSONDecoder().decode(PacketEvent.self, from: Data(line.utf8)) == event)
    }

    /// The name of the node on which an agent was asked replaces the name that the agent gives for itself.
    @Test func `an agent does not say which node it is on`() {
        #expect(Self.trace.told(by: "node2").node == "node2")
    }

    @Test(
        "names and numbers that nobody knows are read, or refused, and trap nothing",
        arguments: [
            (#""from-endpoint""#, #""to-the-moon""#, true), (#""policy-denied-ingress""#, #""reason -999999""#, true),
            ("-45", "9223372036854775807", true), ("-45", "-9223372036854775808", true),
            ("-45", "9223372036854775808", false), ("-45", "1e400", false), ("-45", "0.5", false),
            (#""direction":"ingress""#, #""direction":"sideways""#, true),
            (#""direction":"ingress""#, #""direction":3"#, false),
            (#""from-endpoint""#, "3", false), (#""policy-denied-ingress""#, "-45", false),
            (#""protocol":6"#, #""protocol":256"#, false),
            (#""length":74"#, #""length":-1"#, true), (#""endpointID":4"#, #""endpointID":-4"#, false),
            (#""sequence":7"#, #""sequence":18446744073709551616"#, false),
            (#""192.168.1.3""#, #""\u0000\u001b[31m""#, true),
        ])
    func hostile(part: String, other: String, isRead: Bool) throws {
        #expect(Self.dropLine.contains(part))
        let line = Self.dropLine.replacingOccurrences(of: part, with: other)
        let event = try? JSONDecoder().decode(PacketEvent.self, from: Data(line.utf8))
        #expect((event != nil) == isRead)
        if let event {
            #expect(event.isDrop && event != Self.drop)
            let again = try JSONDecoder().decode(PacketEvent.self, from: JSONEncoder().encode(event))
            #expect(again == event)
        }
    }

    @Test func `without a reason it is a trace`() throws {
        let line = Self.dropLine.replacingOccurrences(of: #""dropReason":"policy-denied-ingress","#, with: "")
        #expect(try JSONDecoder().decode(PacketEvent.self, from: Data(line.utf8)).isDrop == false)
    }
}
