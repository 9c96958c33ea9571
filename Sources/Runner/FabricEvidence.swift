import Diagnosis
import Fabric
import Lab
import LinuxKernel

/// What the fabric recorded, in the terms of evidence.
extension EvidenceCollector {
    /// Packets on the taps since a moment.
    func wire(since mark: MonotonicTime) async -> (packets: [TapPacket], isComplete: Bool) {
        let page = await cluster.fabric.sightings(since: mark)
        let packets = page.sightings.compactMap { sighting -> TapPacket? in
            guard let outer = sighting.outer else { return nil }
            return TapPacket(
                node: sighting.node, fromNode: sighting.direction == .fromNode, outer: FlowTuple(outer),
                vni: sighting.vni, inner: sighting.inner.map { FlowTuple($0) })
        }
        return (packets, page.isComplete)
    }

    func flowLog(since mark: MonotonicTime) async -> (records: [FlowLogReading], isComplete: Bool) {
        let page = await cluster.fabric.flowRecords(since: mark)
        let records = page.records.map { record in
            FlowLogReading(
                node: record.node, interfaceID: record.interfaceID, accepted: record.action == .accept,
                flow: FlowTuple(
                    protocol: record.protocol, source: record.source.description, sourcePort: record.sourcePort,
                    destination: record.destination.description, destinationPort: record.destinationPort),
                packets: Int(clamping: record.packets))
        }
        return (records, page.isComplete)
    }

    /// Security groups in force, read back from the kernel.
    func securityGroups() async -> [SecurityGroupReading] {
        var readings: [SecurityGroupReading] = []
        for node in cluster.nodes {
            guard let groups = try? await cluster.fabric.effectiveGroups(node: node.name) else { continue }
            readings += groups.map { group in
                SecurityGroupReading(
                    node: node.name, group: group.name,
                    rules: group.rules.map {
                        .init(
                            name: $0.name, direction: $0.direction.rawValue, protocol: $0.protocol.rawValue,
                            ports: $0.ports, peer: "\($0.peer)")
                    })
            }
        }
        return readings
    }
}

extension FlowTuple {
    init(_ header: FlowHeader) {
        self.init(
            protocol: header.protocol, source: header.source.description, sourcePort: header.sourcePort,
            destination: header.destination.description, destinationPort: header.destinationPort,
            icmpID: header.icmp?.identifier ?? 0)
    }
}
