import Readings

/// What was seen of the cloud's own parts: the router, the internet gateway, the resolver and other hosts.
public struct CloudReading: Codable, Sendable {
    /// Packets at the places of the cloud. `node` names the place: `vpc-router`, `internet-gateway`, or a host's name.
    public var wire: [TapPacket]
    /// What the router and the internet gateway discarded.
    public var discards: [DiscardReading]
    /// Queries that came to the VPC's resolver.
    public var queries: [ResolverReading]
    /// Whether all discards and queries are there.
    public var isComplete: Bool

    public init(
        wire: [TapPacket] = [], discards: [DiscardReading] = [], queries: [ResolverReading] = [],
        isComplete: Bool = true
    ) {
        self.wire = wire
        self.discards = discards
        self.queries = queries
        self.isComplete = isComplete
    }
}

/// A packet that the VPC's router or internet gateway discarded.
public struct DiscardReading: Codable, Sendable, Hashable {
    /// The reason: `source-unknown`, `destination-unknown`, `no-public-address` or `public-address-unknown`.
    public var reason: String
    public var flow: FlowTuple

    public init(reason: String, flow: FlowTuple) {
        self.reason = reason
        self.flow = flow
    }
}

/// A query that came to the VPC's resolver, with the source that it came from.
public struct ResolverReading: Codable, Sendable, Hashable {
    public var source: String
    public var sourcePort: UInt16
    /// `udp` or `tcp`
    public var transport: String
    public var name: String
    /// `NOERROR`, `NXDOMAIN`, …
    public var code: String

    public init(source: String, sourcePort: UInt16, transport: String, name: String, code: String) {
        self.source = source
        self.sourcePort = sourcePort
        self.transport = transport
        self.name = name
        self.code = code
    }
}

extension PathIndex {
    /// Where a probe's packets to a host of the cloud were seen. Translation changes their source on the way, so they
    /// are followed by protocol and destination, and each place lists the sources that it saw.
    func cloudLeg(_ flow: FlowTuple, from: Endpoint, to: Endpoint) -> [WhyEntry] {
        guard to.kind.isCloudHost else { return [] }
        var entries: [WhyEntry] = []
        if let sender = from.node {
            let left = evidence.wire.filter { $0.node == sender && $0.fromNode && isRequest($0, of: flow) }
            let own = Self.sources(left)
            entries.append(
                WhyEntry(
                    hop: "sender-tap", node: sender,
                    detail: left.isEmpty
                        ? "request not seen on the taps of \(sender)"
                        : "packets to \(to.address) leave \(sender)'s taps with source \(own.joined(separator: ", "))",
                    seen: !left.isEmpty))
        }
        for discard in evidence.cloud.discards
        where discard.flow.protocol == flow.protocol
            && (discard.flow.destination == to.address || discard.flow.source == to.address)
            && [discard.flow.source, discard.flow.destination].contains(where: { isAddress($0, of: from) })
        {
            entries.append(
                WhyEntry(
                    hop: "fabric", node: nil, detail: "the VPC's router discarded \(discard.flow): \(discard.reason)",
                    seen: true))
            break
        }
        let arrived = evidence.cloud.wire.filter {
            !$0.fromNode && $0.node != "vpc-router" && $0.node != "internet-gateway" && isRequest($0, of: flow)
        }
        entries.append(
            WhyEntry(
                hop: "receiver-tap", node: nil,
                detail: arrived.isEmpty
                    ? "no such packet came to \(to.id)"
                    : "packets came to \(to.id) with source \(Self.sources(arrived).joined(separator: ", "))",
                seen: !arrived.isEmpty))
        return entries
    }

    private func isRequest(_ packet: TapPacket, of flow: FlowTuple) -> Bool {
        packet.vni == nil && packet.outer.protocol == flow.protocol && packet.outer.destination == flow.destination
            && packet.outer.destinationPort == flow.destinationPort
    }

    private func isAddress(_ address: String, of endpoint: Endpoint) -> Bool {
        address == endpoint.address || endpoint.node.flatMap { nodes[$0]?.address } == address
    }

    private static func sources(_ packets: [TapPacket]) -> [String] {
        Array(Set(packets.map(\.outer.source)).sorted().prefix(4))
    }
}
