import Readings

extension ProbeReading {
    /// Makes the reading of a measured cell for the diagnosis, with the flow that its packets belong to.
    ///
    /// Whether the source that the receiver saw is right depends on what the step expects, which a diagnosis must not
    /// know. So a source is no failure here if it is an address of the sender's node and the receiver is a host of the
    /// cloud or another node, or if it is the address in the pods' range by which a node calls pods.
    ///
    /// - Parameters:
    ///   - endpoints: The endpoints by their ids.
    ///   - senders: The addresses that a node's packets come from, by node.
    ///   - routers: A node's address in the pods' range, by node.
    package init(
        _ probe: ProbeMeasurement, endpoints: [String: Endpoint], senders: [String: SenderAddresses] = [:],
        routers: [String: String?] = [:]
    ) {
        var observed = probe.observed
        if let from = endpoints[probe.key.from], let to = endpoints[probe.key.to],
            to.kind.isCloudHost || to.kind == .node && to.node != from.node
        {
            let node = senders[from.node ?? ""]
            observed = probe.outcome(expecting: [from.address] + (node?.node ?? []) + (node?.public ?? []))
        } else if let from = endpoints[probe.key.from], from.kind == .node,
            let router = routers[from.node ?? ""].flatMap({ $0 })
        {
            observed = probe.outcome(expecting: [from.address, router])
        }
        // Whoever serves a service may masquerade. kube-proxy does so for calls that do not come from pods.
        if endpoints[probe.key.to]?.kind == .service, case .wrongSource = observed { observed = .open }
        var flow: FlowTuple?
        if let port = probe.localPort, let from = endpoints[probe.key.from], let to = endpoints[probe.key.to] {
            switch probe.key.protocol.transport {
            case .icmp:
                flow = FlowTuple(
                    protocol: 1, source: from.address, sourcePort: 0, destination: to.address, destinationPort: 0,
                    icmpID: port)
            default:
                flow = FlowTuple(
                    protocol: probe.key.protocol.transport == .tcp ? 6 : 17, source: from.address, sourcePort: port,
                    destination: to.address, destinationPort: probe.key.port)
            }
        }
        self.init(
            key: probe.key, observed: observed, flow: flow, requestArrived: probe.requestArrived,
            sent: probe.sent, answered: probe.answered)
    }
}
