import Readings

/// The evidence, indexed by flow, so that every probe's packets can be followed hop by hop.
///
/// It is made once a round. It collects what the agents reported of the failing probes, for causes, judges and why
/// chains.
public struct PathIndex: Sendable {
    public let evidence: Evidence
    /// The indices of probes that were sent, or should have been, and that were not answered as they should be.
    public let failing: [Int]
    let endpoints: [String: Endpoint]
    let nodes: [String: NodeReading]
    let nodeByAddress: [String: String]
    private let wireByInner: [FlowTuple: [TapPacket]]
    private let datapathByFlow: [FlowTuple: [PacketEvent]]
    private let datapathByPort: [SenderPort: [PacketEvent]]
    /// The records of the flow log with the action REJECT.
    let rejects: [FlowLogReading]
    /// What the agents reported of each failing probe's own packets, by the probe's cell.
    private var failed: [CellKey: [PacketEvent]] = [:]
    /// Drops of what a node forwarded for a failing probe, by the probe's cell.
    private var forwarded: [CellKey: [PacketEvent]] = [:]

    public init(_ evidence: Evidence) {
        self.evidence = evidence
        endpoints = Dictionary(evidence.endpoints.map { ($0.id, $0) }) { a, _ in a }
        nodes = Dictionary(evidence.nodes.map { ($0.name, $0) }) { a, _ in a }
        nodeByAddress = Dictionary(evidence.nodes.map { ($0.address, $0.name) }) { a, _ in a }
        wireByInner = Dictionary(grouping: evidence.wire) { $0.inner ?? $0.outer }
        datapathByFlow = Dictionary(grouping: evidence.datapath) { $0.flow }
        datapathByPort = evidence.datapath.reduce(into: [:]) { all, event in
            for key in Set([SenderPort(event.flow), SenderPort(event.flow.reversed)]) {
                all[key, default: []].append(event)
            }
        }
        rejects = evidence.flowLog.filter { !$0.accepted }
        failing = evidence.probes.indices.filter { !evidence.probes[$0].observed.isServed }
        for probe in failing.map({ evidence.probes[$0] }) { failed[probe.key] = ownEvents(of: probe) }
        forwarded = forwardedDrops()
    }

    func node(ofEndpoint id: String) -> String? { endpoints[id]?.node }

    func packets(of flow: FlowTuple, node: String, fromNode: Bool) -> [TapPacket] {
        (wireByInner[flow] ?? []).filter { $0.node == node && $0.fromNode == fromNode }
    }

    func events(of flow: FlowTuple, node: String) -> [PacketEvent] {
        (datapathByFlow[flow] ?? []).filter { $0.node == node }
    }

    /// What the agents reported of a probe's packets, in both directions. Packets also count if they have another
    /// address than the endpoint's: that of a service's backend, or of a node in the pods' range.
    public func events(of probe: ProbeReading) -> [PacketEvent] {
        (failed[probe.key] ?? ownEvents(of: probe)) + (forwarded[probe.key] ?? [])
    }

    private func ownEvents(of probe: ProbeReading) -> [PacketEvent] {
        guard let flow = probe.flow else { return [] }
        let sources = [flow.source] + otherAddresses(of: probe.key.from)
        let backends = otherAddresses(of: probe.key.to)
        return (datapathByPort[SenderPort(flow)] ?? []).filter { event in
            [event.flow, event.flow.reversed].contains { seen in
                SenderPort(seen) == SenderPort(flow) && sources.contains(seen.source)
                    && (seen.destination == flow.destination && seen.destinationPort == flow.destinationPort
                        || backends.contains(seen.destination))
            }
        }
    }

    /// The drops of packets that a node forwarded for a failing probe by kube-proxy's rules.
    ///
    /// Such packets have an address and a port of the node, so only the backend links them to their probe. What a node
    /// sends itself keeps its port only while no forwarded connection to the same pod has that port, because netfilter
    /// gives every connection a tuple of its own (`nf_nat_core.c`). So if a dropped flow is not the original flow of
    /// any failing probe, it is assigned to one failing probe of that node to that backend or pod, and to no other.
    private func forwardedDrops() -> [CellKey: [PacketEvent]] {
        let sent = failing.map { index in
            let probe = evidence.probes[index]
            return (probe, drops: (failed[probe.key] ?? []).filter(\.isDrop))
        }
        let known = Set(sent.flatMap { $0.drops.map(\.flow) })
        let others = evidence.datapath.filter { $0.isDrop && !known.contains($0.flow) }
        guard !others.isEmpty else { return [:] }
        var waiting = Dictionary(grouping: others) { $0.flow }
        var seen: Set<FlowTuple> = []
        var order = others.map(\.flow).filter { seen.insert($0).inserted }
        var result: [CellKey: [PacketEvent]] = [:]
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

    /// The addresses and the port that a node's netfilter may write into a probe's packets. It is nil if the node has
    /// no rules of kube-proxy's. The port is nil if it may be any.
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

    /// Addresses that an endpoint's packets may have in place of its own.
    private func otherAddresses(of id: String) -> [String] {
        guard let endpoint = endpoints[id] else { return [] }
        switch endpoint.kind {
        case .node: return endpoint.node.flatMap { nodes[$0]?.routerAddress }.map { [$0] } ?? []
        case .service: return evidence.backends[id] ?? []
        default: return []
        }
    }

    /// Where a probe's packets were seen, in the order of its path: the request, then the answer.
    ///
    /// - Parameter observed: The outcome that the cell is judged by, if a rule expects another source than usual. If it
    ///   is nil, the reading's outcome is taken.
    public func why(_ probe: ProbeReading, as observed: Outcome? = nil) -> [WhyEntry] {
        guard let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] else { return [] }
        var entries = [
            WhyEntry(
                hop: "probe", node: from.node,
                detail: "\(probe.key.protocol.rawValue) \(from.address) → \(to.address)"
                    + (probe.key.port == 0 ? "" : ":\(probe.key.port)")
                    + ": \(observed ?? probe.observed), \(probe.sent) sent, \(probe.answered) answered",
                seen: probe.sent > 0)
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
        let there = events(of: flow, node: sender)
        guard sender != receiver else {
            guard !there.isEmpty else { return gapEntries(flow, hop: "sender-datapath", node: sender, word: word) }
            // The programs of both ends are on one node. Those towards an endpoint are the receiver's.
            return datapathEntries(there.filter { $0.direction != .ingress }, hop: "sender-datapath", word: word)
                + datapathEntries(there.filter { $0.direction == .ingress }, hop: "receiver-datapath", word: word)
        }
        entries +=
            there.isEmpty
            ? gapEntries(flow, hop: "sender-datapath", node: sender, word: word)
            : datapathEntries(there, hop: "sender-datapath", word: word)
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
            let events = events(of: flow, node: receiver)
            entries +=
                events.isEmpty
                ? gapEntries(flow, hop: "receiver-datapath", node: receiver, word: word)
                : datapathEntries(events, hop: "receiver-datapath", word: word)
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

    /// What one node's programs reported of a flow: its drop, or else the hooks that traced it.
    private func datapathEntries(_ events: [PacketEvent], hop: String, word: String) -> [WhyEntry] {
        guard let first = events.first else { return [] }
        if let event = events.first(where: \.isDrop) { return [dropEntry(event, hop: hop, word)] }
        let hooks = events.reduce(into: [PacketHook]()) { if !$0.contains($1.hook) { $0.append($1.hook) } }
        let words = hooks.map(\.description).joined(separator: ", ")
        return [WhyEntry(hop: hop, node: first.node, detail: "\(word) traced \(words)", seen: true)]
    }

    /// Says why a node has no event of a flow, unless its traces are complete or it does not run.
    private func gapEntries(_ flow: FlowTuple, hop: String, node: String, word: String) -> [WhyEntry] {
        guard let gap = evidence.traceGap(of: node, about: flow),
            ![.paused, .stopped].contains(nodes[node]?.power)
        else { return [] }
        return [WhyEntry(hop: hop, node: node, detail: "\(word) may have passed untold: \(gap)", seen: nil)]
    }

    private func dropEntry(_ event: PacketEvent, hop: String, _ word: String) -> WhyEntry {
        let place = (event.drop?.location.map { " at \($0)" } ?? "") + (event.rule.map { " by \($0)" } ?? "")
        let reason = event.drop?.reason.description ?? "unknown reason"
        return WhyEntry(hop: hop, node: event.node, detail: "\(word) dropped: \(reason)\(place)", seen: true)
    }

    /// Returns the REJECT record of exactly this flow, or of its addresses, protocol and destination port.
    func reject(of flow: FlowTuple) -> FlowLogReading? {
        rejects.first { $0.flow == flow }
            ?? rejects.first {
                $0.flow.protocol == flow.protocol && $0.flow.source == flow.source
                    && $0.flow.destination == flow.destination && $0.flow.destinationPort == flow.destinationPort
            }
    }
}

/// The sender's own port or echo identifier, by which its packets are found where their addresses were translated.
private struct SenderPort: Hashable {
    let `protocol`: UInt8
    let port: UInt16

    init(_ flow: FlowTuple) {
        self.protocol = flow.protocol
        port = flow.protocol == 1 ? flow.icmpID : flow.sourcePort
    }
}
