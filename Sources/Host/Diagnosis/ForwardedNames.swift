import Readings

/// DNS queries that a pod received and could not answer, because its own question to a server outside left the node
/// under the pod's own address and was not answered.
///
/// Packets of the query's own flow show which pod received it: the one that it was addressed to, or the one to which a
/// service's address was translated.
struct ForwardedNames {
    struct Unanswered: Hashable {
        let probe: Int
        let node: String
        /// The pod that received the query, and its own question on the wire.
        let server: String
        let question: FlowTuple
        var upstream: String { question.destination }
    }

    static let port: UInt16 = 53

    let unanswered: [Unanswered]

    init(_ evidence: Evidence, _ paths: PathIndex) {
        let failing = paths.failing.filter { index in
            let probe = evidence.probes[index]
            return probe.key.protocol == .dns && probe.observed == .timeout && probe.flow != nil
        }
        guard !failing.isEmpty else {
            unanswered = []
            return
        }
        var pods: [String: Endpoint] = [:]
        for endpoint in evidence.endpoints where endpoint.kind == .pod { pods[endpoint.address] = endpoint }
        let questions = Self.questions(evidence, paths, pods)
        unanswered = failing.compactMap { index in
            guard let flow = evidence.probes[index].flow, let server = Self.server(of: flow, evidence, pods),
                let question = questions[server.address], let node = server.node
            else { return nil }
            return Unanswered(probe: index, node: node, server: server.id, question: question)
        }
    }

    var lines: [String] {
        Set(unanswered.map { "\($0.server) took queries and asked \($0.question), which nobody answered" }).sorted()
    }

    /// Returns, for each pod, one of its questions that left under the pod's address, got no answer, and went to a
    /// server that is no pod and no node. A pod that got any answer is left out.
    private static func questions(
        _ evidence: Evidence, _ paths: PathIndex, _ pods: [String: Endpoint]
    ) -> [String: FlowTuple] {
        var asked: [String: FlowTuple] = [:]
        var answered: Set<String> = []
        for packet in evidence.wire where packet.vni == nil {
            let flow = packet.outer
            if packet.fromNode, flow.destinationPort == port, let pod = pods[flow.source], pod.node == packet.node,
                pods[flow.destination] == nil, paths.nodeByAddress[flow.destination] == nil
            {
                asked[flow.source] = asked[flow.source] ?? flow
            } else if !packet.fromNode, flow.sourcePort == port {
                answered.insert(flow.destination)
            }
        }
        return asked.filter { !answered.contains($0.key) }
    }

    /// The pod that a query reached.
    private static func server(of flow: FlowTuple, _ evidence: Evidence, _ pods: [String: Endpoint]) -> Endpoint? {
        if let pod = pods[flow.destination] { return pod }
        func isSame(_ other: FlowTuple) -> Bool {
            other.protocol == flow.protocol && other.source == flow.source && other.sourcePort == flow.sourcePort
                && other.destination != flow.destination
        }
        let flows = evidence.datapath.lazy.filter { !$0.isDrop }.map(\.flow)
        let inner = evidence.wire.lazy.map { $0.inner ?? $0.outer }
        return (flows.first(where: isSame) ?? inner.first(where: isSame)).flatMap { pods[$0.destination] }
    }
}
