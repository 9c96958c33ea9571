import Diagnosis
import Fabric
import Lab
import LinuxKernel
import Readings

/// Turns the fabric's recordings into evidence.
extension EvidenceCollector {
    /// Returns the packets on the taps since a moment.
    func wire(since mark: MonotonicTime) async -> (packets: [TapPacket], isComplete: Bool) {
        let page = await cluster.fabric.sightings(since: mark)
        let names = interfaceNames
        return (page.sightings.compactMap { TapPacket($0, interface: names[$0.interfaceID]) }, page.isComplete)
    }

    /// The names that a node with several interfaces gives them, by the cloud's id. Interfaces that were plugged in
    /// while it ran have names of the node's own choice, and are left out.
    private var interfaceNames: [String: String] {
        var names: [String: String] = [:]
        for node in cluster.plan.nodes where !node.further.isEmpty {
            names[node.interfaceID] = "eth0"
            for interface in node.further { names[interface.interfaceID] = interface.name }
        }
        return names
    }

    /// Returns what the cloud's own parts saw since a moment. It is empty for a cluster without a cloud.
    func cloud(since mark: MonotonicTime) async -> CloudReading {
        guard let cloud = cluster.cloud else { return CloudReading() }
        var filter = FlowFilter()
        filter.isCloud = true
        let page = await cluster.fabric.sightings(since: mark, matching: filter)
        let discards = await cluster.fabric.discards(since: mark)
        let queries = cloud.queries(since: mark)
        return CloudReading(
            wire: page.sightings.compactMap { TapPacket($0) },
            discards: discards.discards.map { DiscardReading(reason: $0.reason.rawValue, flow: FlowTuple($0.header)) },
            queries: queries.queries.map {
                ResolverReading(
                    source: $0.source, sourcePort: $0.sourcePort, transport: $0.transport, name: $0.name, code: $0.code)
            }, isComplete: page.isComplete && discards.isComplete && queries.isComplete)
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

    /// Waits for the next try of agents that have no answer of their API server. Between two tries they send nothing for
    /// seconds, and a round in such a pause has no record of what keeps them away. A try that leaves no record, or one of
    /// a connection that is there, ends at the limit.
    func waitForTry(of nodes: [NodeReading], since mark: MonotonicTime, within limit: Duration) async {
        let waiting = nodes.filter { node in
            guard let connection = node.apiServer, !connection.isConnected, node.power == .running else { return false }
            return connection.reason?.contains("no answer of the API server") == true
        }
        guard !waiting.isEmpty else { return }
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end, !Task.isCancelled {
            let rejected = await flowLog(since: mark).records.filter { !$0.accepted }
            let hasRecord = waiting.allSatisfy { node in
                let port = node.apiServer?.endpoint?.port
                return rejected.contains {
                    $0.flow.source == node.address && $0.flow.destinationPort == port
                        || $0.flow.destination == node.address && $0.flow.sourcePort == port
                }
            }
            guard !hasRecord else { return }
            // There is no event for what a capture has seen. A cancelled wait ends the loop.
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Returns the security groups in force, read back from the kernel.
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

extension TapPacket {
    /// Returns nil for a packet that is not IPv4.
    init?(_ sighting: PacketSighting, interface: String? = nil) {
        guard let outer = sighting.outer else { return nil }
        self.init(
            node: sighting.node, fromNode: sighting.direction == .fromNode, outer: FlowTuple(outer),
            vni: sighting.vni, inner: sighting.inner.map { FlowTuple($0) }, interface: interface)
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
