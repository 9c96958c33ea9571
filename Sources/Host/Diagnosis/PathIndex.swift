import Readings

/// The evidence, indexed by flow, so that every probe's packets can be followed hop by hop.
public struct PathIndex: Sendable {
    public let evidence: Evidence
    let endpoints: [String: Endpoint]
    let nodes: [String: NodeReading]
    let nodeByAddress: [String: String]
    private let wireByInner: [FlowTuple: [TapPacket]]
    private let datapathByFlow: [FlowTuple: [DatapathReading]]
    private let datapathByPort: [SenderPort: [DatapathReading]]
    let rejects: [FlowLogReading]
    /// Drops of what a node forwarded for a probe, by the probe's cell.
    private var forwarded: [CellKey: [DatapathReading]] = [:]

    public init(_ evidence: Evidence) {
        self.evidence = evidence
        endpoints = Dictionary(evidence.endpoints.map { ($0.id, $0) }) { a, _ in a }
        nodes = Dictionary(evidence.nodes.map { ($0.name, $0) }) { a, _ in a }
        nodeByAddress = Dictionary(evidence.nodes.map { ($0.address, $0.name) }) { a, _ in a }
        wireByInner = Dictionary(grouping: evidence.wire) { $0.inner ?? $0.outer }
        datapathByFlow = Dictionary(grouping: evidence.datapath) { $0.flow }
        datapathByPort = evidence.datapath.reduce(into: [:]) { all, reading in
            for key in Set([SenderPort(reading.flow), SenderPort(reading.flow.reversed)]) {
                all[key, default: []].append(reading)
            }
        }
        rejects = evidence.flowLog.filter { !$0.accepted }
        forwarded = forwardedDrops()
    }

    /// Indices of probes that were sent, or should have been, and did not come back as they should.
    public var failing: [Int] {
        evidence.probes.indices.filter { !evidence.probes[$0].observed.isServed }
    }

    func node(ofEndpoint id: String) -> String? { endpoints[id]?.node }

    func packets(of flow: FlowTuple, node: String, fromNode: Bool) -> [TapPacket] {
        (wireByInner[flow] ?? []).filter { $0.node == node && $0.fromNode == fromNode }
    }

    func readings(of flow: FlowTuple, node: String) -> [DatapathReading] {
        (datapathByFlow[flow] ?? []).filter { $0.node == node }
    }

    /// What the agents reported of a probe's packets, in both directions, also where they carry another address than
    /// the endpoint's: a service's backend's, or a node's in the pods' range.
    public func readings(of probe: ProbeReading) -> [DatapathReading] {
        guard let flow = probe.flow else { return [] }
        let sources = [flow.source] + otherAddresses(of: probe.key.from)
        let backends = otherAddresses(of: probe.key.to)
        let own = (datapathByPort[SenderPort(flow)] ?? []).filter { reading in
            [reading.flow, reading.flow.reversed].contains { seen in
                SenderPort(seen) == SenderPort(flow) && sources.contains(seen.source)
                    && (seen.destination == flow.destination && seen.destinationPort == flow.destinationPort
                        || backends.contains(seen.destination))
            }
        }
        return own + (forwarded[probe.key] ?? [])
    }

    /// A packet that a node forwards for a service by kube-proxy's rules has an address and a port of that node, so
    /// only the backend links it to its probe. A packet that the node sends itself keeps its port, unless a forwarded
    /// connection to the same pod has that port already: netfilter gives every connection a tuple of its own
    /// (net/netfilter/nf_nat_core.c). So a dropped flow that no failing probe sent in this form is attributed to one
    /// failing probe of that node to that backend or pod, and to no other.
    private func forwardedDrops() -> [CellKey: [DatapathReading]] {
        let sent = evidence.probes.filter { !$0.observed.isServed }.map { probe in
            (probe, drops: readings(of: probe).filter { $0.point == "drop" })
        }
        let known = Set(sent.flatMap { $0.drops.map(\.flow) })
        let others = evidence.datapath.filter { $0.point == "drop" && !known.contains($0.flow) }
        guard !others.isEmpty else { return [:] }
        var waiting = Dictionary(grouping: others) { $0.flow }
        var seen: Set<FlowTuple> = []
        var order = others.map(\.flow).filter { seen.insert($0).inserted }
        var result: [CellKey: [DatapathReading]] = [:]
        for (probe, drops) in sent where drops.isEmpty && result[probe.key] == nil {
            guard let flow = probe.flow, let translated = translation(of: probe) else { continue }
            let found = order.firstIndex {
                $0.protocol == flow.protocol && translated.sources.contains($0.source)
                    && translated.destinations.contains($0.destination)
                    && (translated.port ?? $0.destinationPort) == $0.destinationPort
            }
            if let found { result[probe.key] = waiting.removeValue(forKey: order.remove(at: found)) }
        }
        return result
    }

    /// What a node's netfilter may make of a probe's packets; nil where kube-proxy's rules do not have it translate.
    private func translation(of probe: ProbeReading) -> (sources: [String], destinations: [String], port: UInt16?)? {
        guard let flow = probe.flow, let from = endpoints[probe.key.from], let to = endpoints[probe.key.to],
            from.kind == .node || to.kind == .service,
            let node = (to.kind == .service ? to.node ?? from.node : from.node).flatMap({ nodes[$0] }),
            node.kubeProxyRules?.isEmpty == false
        else { return nil }
        let sources = [node.address, node.routerAddress].compactMap { $0 }
        guard to.kind == .service else { return (sources, [flow.destination], flow.destinationPort) }
        return (sources, otherAddresses(of: probe.key.to), nil)
    }

    private func otherAddresses(of id: String) -> [String] {
        guard let endpoint = endpoints[id] else { return [] }
        switch endpoint.kind {
        case .node: return endpoint.node.flatMap { nodes[$0]?.routerAddress }.map { [$0] } ?? []
        case .service: return evidence.backends[id] ?? []
        default: return []
        }
    }

    /// Where a probe's packets were seen, in the order of its path: the request, then the answer.
    public func why(_ probe: ProbeReading) -> [WhyEntry] {
        guard let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] else { return [] }
        var entries = [
            WhyEntry(
                hop: "probe", node: from.node,
                detail: "\(probe.key.protocol.rawValue) \(from.address) → \(to.address)"
                    + (probe.key.port == 0 ? "" : ":\(probe.key.port)")
                    + ": \(probe.observed), \(probe.sent) sent, \(probe.answered) answered", seen: probe.sent > 0)
        ]
        guard let flow = probe.flow else { return entries }
        entries += leg(flow, from: from, to: to, word: "request") + cloudLeg(flow, from: from, to: to)
        if let drop = forwarded[probe.key]?.first {
            entries.append(dropEntry(drop, hop: "receiver-datapath", "request, forwarded as \(drop.flow),"))
        }
        if let arrived = probe.requestArrived {
            entries.append(
                WhyEntry(
                    hop: "receiver", node: to.node,
                    detail: arrived ? "receiver confirms the nonce" : "receiver never saw the nonce", seen: arrived))
        }
        guard probe.requestArrived != false else { return entries }
        return entries + leg(flow.reversed, from: to, to: from, word: "answer")
    }

    private func leg(_ flow: FlowTuple, from: Endpoint, to: Endpoint, word: String) -> [WhyEntry] {
        var entries: [WhyEntry] = []
        guard let sender = from.node, let receiver = to.node else { return entries }
        entries += datapathEntries(flow, node: sender, hop: "sender-datapath", word: word)
        guard sender != receiver else { return entries }
        let left = packets(of: flow, node: sender, fromNode: true)
        entries.append(tapEntry(left, hop: "sender-tap", node: sender, word: word, verb: "leaves"))
        if let first = left.first, let reject = reject(of: first.outer) {
            let direction = reject.node == sender ? "egress" : "ingress"
            entries.append(
                WhyEntry(
                    hop: "fabric", node: reject.node,
                    detail: "flow log of \(reject.interfaceID): REJECT \(direction) \(reject.flow)", seen: true))
        }
        let arrived = packets(of: flow, node: receiver, fromNode: false)
        if !left.isEmpty || !arrived.isEmpty {
            entries.append(tapEntry(arrived, hop: "receiver-tap", node: receiver, word: word, verb: "arrives at"))
        }
        if !arrived.isEmpty {
            entries += datapathEntries(flow, node: receiver, hop: "receiver-datapath", word: word)
        }
        return entries
    }

    private func tapEntry(_ packets: [TapPacket], hop: String, node: String, word: String, verb: String) -> WhyEntry {
        guard let first = packets.first else {
            return WhyEntry(hop: hop, node: node, detail: "\(word) not seen on the tap of \(node)", seen: false)
        }
        let how = first.vni.map { " in VXLAN, VNI \($0), \(first.outer)" } ?? " as it is"
        return WhyEntry(
            hop: hop, node: node, detail: "\(word) \(verb) \(node)'s tap\(how), \(packets.count) packets", seen: true)
    }

    private func datapathEntries(_ flow: FlowTuple, node: String, hop: String, word: String) -> [WhyEntry] {
        let readings = readings(of: flow, node: node)
        guard !readings.isEmpty else { return [] }
        if let drop = readings.first(where: { $0.point == "drop" }) {
            return [dropEntry(drop, hop: hop, word)]
        }
        var points: [String] = []
        for reading in readings where points.last != reading.point { points.append(reading.point) }
        let unique = points.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        return [WhyEntry(hop: hop, node: node, detail: "\(word) traced \(unique.joined(separator: ", "))", seen: true)]
    }

    private func dropEntry(_ drop: DatapathReading, hop: String, _ word: String) -> WhyEntry {
        let place = (drop.location.map { " at \($0)" } ?? "") + (drop.rule.map { " by \($0)" } ?? "")
        return WhyEntry(
            hop: hop, node: drop.node, detail: "\(word) dropped: \(drop.dropReason ?? "unknown reason")\(place)",
            seen: true)
    }

    /// The REJECT record of exactly this flow, or of its addresses, protocol and destination port.
    func reject(of flow: FlowTuple) -> FlowLogReading? {
        rejects.first { $0.flow == flow }
            ?? rejects.first {
                $0.flow.protocol == flow.protocol && $0.flow.source == flow.source
                    && $0.flow.destination == flow.destination && $0.flow.destinationPort == flow.destinationPort
            }
    }
}

/// By what a sender's packets are found when their addresses were translated: its own port or echo identifier.
private struct SenderPort: Hashable {
    let `protocol`: UInt8
    let port: UInt16

    init(_ flow: FlowTuple) {
        self.protocol = flow.protocol
        port = flow.protocol == 1 ? flow.icmpID : flow.sourcePort
    }
}
