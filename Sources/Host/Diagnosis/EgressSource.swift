import NetAddress
import Readings

/// Pods' packets that left a node for somebody outside the cluster under the pod's own address, and were not answered.
///
/// Nothing here knows how masquerade was configured. The evidence is that the source on the wire is an address of the
/// pods' range, that no answer came to the tap, and that the same host answers others.
struct EgressSource {
    /// A node's interface on the wire. The interface is nil if captures do not tell interfaces apart.
    struct Place: Hashable {
        let node: String
        let interface: String?
    }

    struct Unanswered {
        let probe: Int
        let flow: FlowTuple
        let target: Endpoint
        let place: Place
        let packets: Int
    }

    let unanswered: [Unanswered]

    init(_ evidence: Evidence, _ paths: PathIndex) {
        unanswered = paths.failing.compactMap { index in
            let probe = evidence.probes[index]
            guard let from = paths.endpoints[probe.key.from], from.kind == .pod, let node = from.node,
                let target = paths.endpoints[probe.key.to], Self.isOutside(target, of: node),
                // A pod range that nobody read proves nothing about a source.
                let range = paths.nodes[node]?.podCIDR, let address = IPv4Address(from.address),
                IPv4CIDR(range)?.contains(address) == true, let flow = probe.flow, flow.source == from.address
            else { return nil }
            let left = paths.packets(of: flow, node: node, fromNode: true).filter { $0.vni == nil }
            guard let first = left.first,
                paths.packets(of: flow.reversed, node: node, fromNode: false).filter({ $0.vni == nil }).isEmpty
            else { return nil }
            return Unanswered(
                probe: index, flow: flow, target: target, place: Place(node: node, interface: first.interface),
                packets: left.count)
        }
    }

    /// Whether packets to the target leave the cluster's own network: to hosts outside, and to other nodes' addresses.
    private static func isOutside(_ target: Endpoint, of node: String) -> Bool {
        target.kind == .node ? target.node != node : target.node == nil
    }

    /// Some of the packets, as `192.168.1.10 → 10.0.0.2`.
    func sources(_ some: [Unanswered]) -> String {
        let lines = Set(some.map { "\($0.flow.source) → \($0.target.address)" }).sorted()
        return lines.prefix(4).joined(separator: ", ") + (lines.count > 4 ? " and \(lines.count - 4) more" : "")
    }

    /// Returns the targets that answer somebody under a node's address, which shows that the host and the way to it
    /// work.
    func answeredOthers(_ some: [Unanswered], _ evidence: Evidence, _ paths: PathIndex) -> [String] {
        let targets = Set(some.map(\.target.id))
        return evidence.probes.compactMap { probe in
            guard probe.observed == .open, targets.contains(probe.key.to), let from = paths.endpoints[probe.key.from],
                from.kind == .node
            else { return nil }
            return "\(probe.key.protocol.rawValue) \(probe.key.from) → \(probe.key.to) open"
        }
    }
}
