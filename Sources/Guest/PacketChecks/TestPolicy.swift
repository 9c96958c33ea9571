import BPF
import Datapath
import DatapathModel
import Policy

/// The state of the policy maps.
package struct TestPolicy: Sendable {
    package struct Entry: Sendable {
        let key: PolicyMapKey
        let value: PolicyMapValue

        /// - Parameters:
        ///   - identity: The other side's identity, or nil for anybody.
        ///   - ports: One of `TestPolicy.classes`, or nil for every protocol and port.
        package init(
            _ direction: TrafficDirection, _ identity: Identity?, _ ports: PortRange?,
            _ verdict: PolicyMapValue.Verdict,
            rule: UInt32
        ) {
            key = PolicyMapKey(
                endpointID: TestNode.podID, direction: direction, identity: identity ?? .unknown,
                portClass: ports.map { TestPolicy.number(of: $0) } ?? 0)
            value = PolicyMapValue(verdict, rule: rule)
        }
    }

    var directions: Set<TrafficDirection> = []
    var entries: [Entry] = []
    var revision: UInt32 = 0

    package init(directions: Set<TrafficDirection> = [], entries: [Entry] = [], revision: UInt32 = 0) {
        self.directions = directions
        self.entries = entries
        self.revision = revision
    }

    package static let tcp = PortRange(.tcp, 8080...8080)
    package static let udp = PortRange(.udp, 8080...8080)
    static let echo = PortRange(.icmp, 8...8)
    /// More ports than a chunk of the map has.
    static let highPorts = PortRange(.tcp, 30_000...40_100)

    /// Every set of ports that has a class.
    static let classes = PortClasses(ports: [11: [tcp], 12: [udp], 13: [echo], 14: [highPorts]])

    private static func number(of ports: PortRange) -> UInt16 { classes.classes(in: ports).first ?? 0 }

    package var enforcement: PolicyEnforcement { PolicyEnforcement(directions: directions, revision: revision) }

    /// Writes the policy to the object's maps, if it has any.
    package func write(to object: borrowing Object) throws {
        guard object.mapNames.contains(MapName.policy) else { return }
        let map: Map<PolicyMapKey, PolicyMapValue> = try object.map(MapName.policy)
        for key in try map.keys() { try map.removeValue(for: key) }
        for entry in entries { try map.update(entry.value, for: entry.key) }
        let ports: Map<UInt32, PortChunk> = try object.map(MapName.portClasses)
        for (key, chunk) in PolicyPlan.chunks(Self.classes) { try ports.update(PortChunk(chunk), for: key) }
    }
}
