import KubeObjects
import NetAddress

extension NetworkPolicy: PolicyObject {
    /// Reads the policy's rules (networking.k8s.io/v1, NetworkPolicySpec).
    public func read() -> PolicyReading {
        var refusals: [PolicyRefusal] = []
        let policy = "NetworkPolicy \(metadata.namespace)/\(metadata.name)"
        let place = PolicyPlace(policy: policy, field: "spec")
        var subject = Selector()
        subject.require(namespace: metadata.namespace)
        subject.require(kubernetes: spec.podSelector, at: place["podSelector"], &refusals)
        var rules: [PolicyRule] = []
        if spec.isolates.contains(.ingress) {
            for (index, rule) in spec.ingress.enumerated() {
                let place = place["ingress", index]
                rules.append(
                    PolicyRule(
                        name: "\(policy) ingress[\(index)]", direction: .ingress,
                        peers: peers(rule.from, "from", place, &refusals), ports: ports(rule.ports, place, &refusals)))
            }
        }
        if spec.isolates.contains(.egress) {
            for (index, rule) in spec.egress.enumerated() {
                let place = place["egress", index]
                rules.append(
                    PolicyRule(
                        name: "\(policy) egress[\(index)]", direction: .egress,
                        peers: peers(rule.to, "to", place, &refusals), ports: ports(rule.ports, place, &refusals)))
            }
        }
        let isolates = Set(spec.isolates.map { $0 == .ingress ? PolicyDirection.ingress : .egress })
        let unit = PolicyUnit(policy: policy, subject: subject, isolates: isolates, rules: rules)
        return PolicyReading(units: [unit], refusals: refusals)
    }

    /// Reads a list of peers. An empty list means everybody.
    private func peers(
        _ peers: [Peer], _ list: String, _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) -> [Policy.Peer] {
        if peers.isEmpty { return [.everybody] }
        return peers.enumerated().compactMap { peer($1, place[list, $0], &refusals) }
    }

    private func peer(_ peer: Peer, _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]) -> Policy.Peer? {
        if let block = peer.ipBlock {
            if peer.podSelector != nil || peer.namespaceSelector != nil {
                refusals.append(place.refuse("ipBlock stands alone: no podSelector or namespaceSelector beside it"))
            }
            return Policy.Peer.range(cidr: block.cidr, except: block.except, at: place["ipBlock"], &refusals)
        }
        guard peer.podSelector != nil || peer.namespaceSelector != nil else {
            refusals.append(place.refuse("a peer needs podSelector, namespaceSelector or ipBlock"))
            return nil
        }
        var selector = Selector()
        if let namespaces = peer.namespaceSelector {
            // Even a selector for every namespace selects pods only.
            selector.require("k8s", Selector.namespaceName, .exists)
            selector.require(
                kubernetes: namespaces, prefix: Selector.namespaceLabelPrefix, at: place["namespaceSelector"],
                &refusals)
        } else {
            selector.require(namespace: metadata.namespace)
        }
        if let pods = peer.podSelector { selector.require(kubernetes: pods, at: place["podSelector"], &refusals) }
        return .selected(selector)
    }

    /// Reads a list of ports. An empty list means all protocols and ports. A port that only names its protocol means
    /// all ports of it.
    private func ports(_ ports: [Port], _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]) -> [RulePort]? {
        if ports.isEmpty { return nil }
        return ports.enumerated().flatMap { index, port in
            refusals.taking { () throws(PolicyRefusal) in try self.port(port, place["ports", index]) } ?? []
        }
    }

    private func port(_ port: Port, _ place: PolicyPlace) throws(PolicyRefusal) -> [RulePort] {
        guard port.protocol != .any else { throw place.refuse("protocol: TCP, UDP or SCTP") }
        guard let number = port.port else {
            guard port.endPort == nil else { throw place.refuse("endPort needs port") }
            return port.protocol.slots.map { .range(PortRange($0, 0...UInt16.max)) }
        }
        return try RulePort.ports(number, through: port.endPort, port.protocol, zeroIsAll: false, at: place)
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
    /// Reads a range and its exceptions. Returns nil if the range itself is refused.
    static func range(
        cidr text: String, except: [String], at place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) -> Peer? {
        let range = refusals.taking { () throws(PolicyRefusal) in try network(text, at: place["cidr"]) }
        let exceptions = except.enumerated().compactMap { index, text in
            refusals.taking { () throws(PolicyRefusal) in
                let place = place["except", index]
                let exception = try network(text, at: place)
                if let range, !range.contains(exception) {
                    throw place.refuse("\(exception) is not part of \(range)")
                }
                return exception
            }
        }
        return range.map { .range($0, except: exceptions) }
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
