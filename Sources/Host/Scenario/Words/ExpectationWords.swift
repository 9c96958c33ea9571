import Matrix

extension EndpointSelector {
    /// `pods on node2`, `default/web-1`, `everything`.
    var words: String {
        if let ids, ids.count == 1, kind == nil, nodes == nil, namespace == nil, labels.isEmpty { return ids[0] }
        var text = kind?.rawValue ?? "any endpoint"
        if let ids { text += " " + ids.joined(separator: " or ") }
        if let namespace { text += " in \(namespace)" }
        if !labels.isEmpty {
            text += " with " + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
        }
        if let nodes { text += " on " + nodes.joined(separator: " or ") }
        return text
    }
}

extension ExpectationRule {
    /// `pod → pod, cross-node, tcp`: which cells.
    var subject: String {
        var parts = ["\(from.words) → \(to.words)"]
        if let placement = self.where { parts.append(placement.rawValue) }
        if !protocols.isEmpty { parts.append(protocols.map(\.rawValue).joined(separator: " and ")) }
        if let port { parts.append("port \(port)") }
        if let requests { parts.append("request " + requests.joined(separator: " or ")) }
        return parts.joined(separator: ", ")
    }

    /// `pod → pod, cross-node: timeout`
    var words: String { subject + ": " + outcomes.map(\.text).joined(separator: " or ") }
}

private func places(_ nodes: [String], of plural: String = "every node") -> String {
    nodes.isEmpty ? plural : nodes.joined(separator: ", ")
}

extension HealthExpectation {
    /// `health from every node: 1/N reachable`
    var words: String {
        let count = allReachable ? "all" : "\(reachable)"
        return "health from \(places(nodes)): \(count) of \(total.map(String.init) ?? "all nodes") reachable"
    }
}

extension FlowLogExpectation {
    /// `flow log: REJECT udp/8472 at every node`
    var words: String {
        let traffic = port.map { "\(`protocol`)/\($0)" } ?? `protocol`
        let at = present ? places(nodes) : places(nodes, of: "any node")
        return "flow log: \(present ? "" : "no ")\(action) \(traffic) at \(at)"
    }
}

extension WireExpectation {
    /// `wire: udp/8472 leaves every node`, `wire: no udp/8472 arrives at any node`
    var words: String {
        let at = present ? places(nodes) : places(nodes, of: "any node")
        let verb = direction == .leaves ? "leaves" : "arrives at"
        let traffic = "\(side == .source ? "answer of " : "")\(`protocol`)/\(port)"
        return "wire: \(present ? "" : "no ")\(traffic) \(verb) \(at)"
    }
}

extension StreamExpectation {
    /// `streams pod → pod, cross-node, tcp: connections survive, longest gap 500ms`
    var words: String {
        var text = "streams \(from.words) → \(to.words)"
        if let placement = self.where { text += ", \(placement.rawValue)" }
        if !protocols.isEmpty { text += ", " + protocols.map(\.rawValue).joined(separator: " and ") }
        text += survive ? ": connections survive" : ": measured"
        if let maxGapMillis { text += ", longest gap \(Units.text(seconds: Double(maxGapMillis) / 1000))" }
        return text
    }
}

extension DropExpectation {
    /// `drops pod → pod, tcp: policy-denied-ingress by NetworkPolicy default/web`
    public var words: String {
        var text = "drops \(from.words) → \(to.words)"
        if let placement = self.where { text += ", \(placement.rawValue)" }
        if !protocols.isEmpty { text += ", " + protocols.map(\.rawValue).joined(separator: " and ") }
        if let requests { text += ", request " + requests.joined(separator: " or ") }
        return text + ": \(reason)" + (rule.map { " by \($0)" } ?? "")
    }
}

extension NodeExpectation {
    /// `node2 is crashed`
    var words: String {
        let text =
            (nodes.isEmpty ? "every node is \(state)" : "\(places(nodes)) is \(state)")
            + (interfaceAddresses.map { ", with \($0) addresses of the cloud's interfaces" } ?? "")
        switch kubeProxy {
        case .absent?: return text + ", with nothing of kube-proxy"
        case .rules?: return text + ", with kube-proxy's rules"
        case nil: return text
        }
    }
}

extension IdentityExpectation {
    /// `identity of pod with app=web: one, apart from pod with app=api, with other endpoints than in baseline`
    public var words: String {
        var text = "identity of \(pods.words): one"
        if let apartFrom { text += ", apart from \(apartFrom.words)" }
        if let replacedSince { text += ", with other endpoints than in \(replacedSince)" }
        return text
    }
}

extension DiagnosisExpectation {
    /// `diagnosis: underlay/vxlan-port-blocked, naming nodes, 8472, ingress`
    var words: String {
        let root = id == "none" ? "diagnosis: no root cause" : "diagnosis: \(id)"
        return mentions.isEmpty ? root : root + ", naming " + mentions.joined(separator: ", ")
    }
}

extension Expectations {
    /// One line an expectation, in the order of the test cases.
    var words: [String] {
        matrix.map(\.words) + health.map(\.words) + wire.map(\.words) + flowLogs.map(\.words) + streams.map(\.words)
            + drops.map(\.words) + nodes.map(\.words) + identities.map(\.words) + pods.map(\.words)
            + (diagnosis.map { [$0.words] } ?? [])
    }
}
