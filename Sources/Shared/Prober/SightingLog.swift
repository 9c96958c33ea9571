import CNodeShim
import NodeProtocol

/// What the receivers saw of the last plans.
struct SightingLog {
    static let plansKept = 4
    static let sightingsKept = 65_536

    private struct Key: Hashable {
        let source: UInt32
        let target: UInt32
        let code: UInt8
        let seen: SeenAddress
        let receiver: UInt32
    }

    /// The newest plan is last.
    private var plans: [(id: UInt64, keys: Set<Key>)] = []

    /// Notes that a packet came from an endpoint.
    ///
    /// - Parameter receiver: The address to which the packet came, in host byte order.
    mutating func record(_ packet: node_probe_packet, from: node_endpoint, receiver: UInt32) {
        let key = Key(
            source: packet.source, target: packet.target, code: packet.protocol,
            seen: SeenAddress(address: from.address, port: from.port), receiver: receiver)
        if let index = plans.lastIndex(where: { $0.id == packet.plan }) {
            if plans[index].keys.count < Self.sightingsKept { plans[index].keys.insert(key) }
            return
        }
        if plans.count == Self.plansKept { plans.removeFirst() }
        plans.append((packet.plan, [key]))
    }

    /// The sightings of a plan, ordered by source, target and protocol.
    func sightings(plan: UInt64) -> [Sighting] {
        guard let entry = plans.first(where: { $0.id == plan }) else { return [] }
        return entry.keys.compactMap { key in
            ProbeProtocolCode(rawValue: key.code).map {
                Sighting(
                    plan: plan, sourceIndex: key.source, targetIndex: key.target, protocol: $0, seen: key.seen,
                    receiver: key.receiver)
            }
        }
        .sorted {
            ($0.sourceIndex, $0.targetIndex, $0.protocol.rawValue) < (
                $1.sourceIndex, $1.targetIndex, $1.protocol.rawValue
            )
        }
    }
}

extension node_probe_packet {
    static let length = MemoryLayout<node_probe_packet>.size

    /// Reads a packet. Nil if the bytes are too few or do not begin like a probe's packet.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.length else { return nil }
        self = bytes.loadUnaligned(as: node_probe_packet.self)
        guard magic == NODE_PROBE_MAGIC else { return nil }
    }
}
