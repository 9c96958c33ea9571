import KubeObjects
import NetAddress

extension NetworkPolicy: PolicyObject {
    /// Reads the policy's rules (networking.k8s.io/v1, NetworkPolicySpec).
    public func units() throws(PolicyRefusal) -> [PolicyUnit] {
        let policy = "NetworkPolicy \(metadata.namespace)/\(metadata.name)"
        let place = PolicyPlace(policy: policy, field: "spec")
        var subject = Selector()
        subject.require(namespace: metadata.namespace)
        try subject.require(kubernetes: spec.podSelector, at: place["podSelector"])
        var rules: [PolicyRule] = []
        if spec.isolates.contains(.ingress) {
            for (index, rule) in spec.ingress.enumerated() {
                let place = place["ingress", index]
                rules.append(
                    PolicyRule(
                        name: "\(policy) ingress[\(index)]", direction: .ingress,
                        peers: try peers(rule.from, "from", place), ports: try ports(rule.ports, place)))
            }
        }
        if spec.isolates.contains(.egress) {
            for (index, rule) in spec.egress.enumerated() {
                let place = place["egress", index]
                rules.append(
                    PolicyRule(
                        name: "\(policy) egress[\(index)]", direction: .egress,
                        peers: try peers(rule.to, "to", place), ports: try ports(rule.ports, place)))
            }
        }
        let isolates = Set(spec.isolates.map { $0 == .ingress ? PolicyDirection.ingress : .egress })
        return [PolicyUnit(policy: policy, subject: subject, isolates: isolates, rules: rules)]
    }

    /// Reads a list of peers. An empty list means everybody.
    private func peers(_ peers: [Peer], _ list: String, _ place: PolicyPlace) throws(PolicyRefusal) -> [Policy.Peer] {
        if peers.isEmpty { return [.everybody] }
        var all: [Policy.Peer] = []
        for (index, peer) in peers.enumerated() { all.append(try self.peer(peer, place[list, index])) }
        return all
    }

    private func peer(_ peer: Peer, _ place: PolicyPlace) throws(PolicyRefusal) -> Policy.Peer {
        if let block = peer.ipBlock {
            guard peer.podSelector == nil, peer.namespaceSelector == nil else {
                throw place.refuse("ipBlock stands alone: no podSelector or namespaceSelector beside it")
            }
            return try .range(cidr: block.cidr, except: block.except, at: place["ipBlock"])
        }
        guard peer.podSelector != nil || peer.namespaceSelector != nil else {
            throw place.refuse("a peer needs podSelector, namespaceSelector or ipBlock")
        }
        var selector = Selector()
        if let namespaces = peer.namespaceSelector {
            // Even a selector for every namespace selects pods only.
            selector.require("k8s", Selector.namespaceName, .exists)
            try selector.require(
                kubernetes: namespaces, prefix: Selector.namespaceLabelPrefix, at: place["namespaceSelector"])
        } else {
            selector.require(namespace: metadata.namespace)
        }
        if let pods = peer.podSelector { try selector.require(kubernetes: pods, at: place["podSelector"]) }
        return .selected(selector)
    }

    /// Reads a list of ports. An empty list means all protocols and ports. A port that only names its protocol means
    /// all ports of it.
    private func ports(_ ports: [Port], _ place: PolicyPlace) throws(PolicyRefusal) -> [RulePort]? {
        if ports.isEmpty { return nil }
        var all: [RulePort] = []
        for (index, port) in ports.enumerated() {
            let place = place["ports", index]
            guard port.protocol != .any else { throw place.refuse("protocol: TCP, UDP or SCTP") }
            guard let number = port.port else {
                guard port.endPort == nil else { throw place.refuse("endPort needs port") }
                all += port.protocol.slots.map { .range(PortRange($0, 0...UInt16.max)) }
                continue
            }
            all += try RulePort.ports(number, through: port.endPort, port.protocol, zeroIsAll: false, at: place)
        }
        return all
    }
}

extension TransportProtocol {
    /// The protocols that it stands for.
    var slots: [PortProtocol] {
        switch self {
        case .tcp: [.tcp]
        case .udp: [.udp]
        case .sctp: [.sctp]
        case .any: [.tcp, .udp, .sctp]
        }
    }
}

extension RulePort {
    static func ports(
        _ port: IntOrString, through end: UInt16?, _ transport: TransportProtocol, zeroIsAll: Bool,
        at place: PolicyPlace
    ) throws(PolicyRefusal) -> [RulePort] {
        if let name = port.name {
            guard end == nil else { throw place.refuse("endPort needs a numeric port, not \"\(name)\"") }
            guard !name.isEmpty else { throw place.refuse("port: neither number nor name") }
            return transport == .any ? [.named(nil, name)] : transport.slots.map { .named($0, name) }
        }
        guard let first = port.port, zeroIsAll || first != 0 else {
            throw place.refuse("port: \(port) is not a port number")
        }
        if first == 0, end == nil || end == 0 { return transport.slots.map { .range(PortRange($0, 0...UInt16.max)) } }
        let last = end.flatMap { zeroIsAll && $0 == 0 ? nil : $0 } ?? first
        guard last >= first else { throw place.refuse("endPort: \(last) is less than port \(first)") }
        return transport.slots.map { .range(PortRange($0, first...last)) }
    }
}

extension Peer {
    static func range(cidr text: String, except: [String], at place: PolicyPlace) throws(PolicyRefusal) -> Peer {
        let range = try network(text, at: place["cidr"])
        var exceptions: [IPv4CIDR] = []
        for (index, text) in except.enumerated() {
            let place = place["except", index]
            let exception = try network(text, at: place)
            guard range.contains(exception) else { throw place.refuse("\(exception) is not part of \(range)") }
            exceptions.append(exception)
        }
        return .range(range, except: exceptions)
    }

    private static func network(_ text: String, at place: PolicyPlace) throws(PolicyRefusal) -> IPv4CIDR {
        if text.contains(":") { throw place.refuse("\(text): IPv6 is not supported") }
        // Cilium reads a plain address as its /32.
        guard let range = IPv4CIDR(text) ?? IPv4Address(text).map({ IPv4CIDR(host: $0) }) else {
            throw place.refuse("not an address range: \"\(text)\"")
        }
        return range.network
    }
}
