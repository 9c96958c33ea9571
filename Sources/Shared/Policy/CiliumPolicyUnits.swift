import KubeObjects
import NetAddress

extension CiliumNetworkPolicy: PolicyObject {
    /// Reads the policy's rules (cilium.io/v2; `api.Rule` of Cilium's pkg/policy).
    public func read() -> PolicyReading {
        var refusals: [PolicyRefusal] = []
        let policy = policyName
        var units: [PolicyUnit] = []
        if let spec { units.append(unit(spec, PolicyPlace(policy: policy, field: "spec"), naming: policy, &refusals)) }
        for (index, rule) in specs.enumerated() {
            units.append(
                unit(
                    rule, PolicyPlace(policy: policy, field: "specs[\(index)]"), naming: "\(policy) specs[\(index)]",
                    &refusals))
        }
        if units.isEmpty { refusals.append(PolicyRefusal(policy: policy, field: "spec", reason: "is missing")) }
        return PolicyReading(units: units, refusals: refusals)
    }

    private func unit(
        _ rule: CiliumRule, _ place: PolicyPlace, naming name: String, _ refusals: inout [PolicyRefusal]
    ) -> PolicyUnit {
        var subject = Selector()
        if rule.nodeSelector != nil {
            refusals.append(
                place["nodeSelector"].refuse(
                    "is not supported: policies for the nodes themselves are not enforced"))
        } else if let selector = rule.endpointSelector {
            subject.require(cilium: selector, at: place["endpointSelector"], &refusals)
        } else {
            refusals.append(place.refuse("endpointSelector is missing"))
        }
        // Cilium refuses it, too, and takes an empty list for a missing one (api.Rule.Validate).
        if (rule.ingress ?? []).isEmpty, (rule.ingressDeny ?? []).isEmpty, (rule.egress ?? []).isEmpty,
            (rule.egressDeny ?? []).isEmpty
        {
            refusals.append(place.refuse("has no rule: give ingress, ingressDeny, egress or egressDeny at least one"))
        }
        // A policy never selects beyond its own namespace.
        subject.require(namespace: metadata.namespace)
        let reader = CiliumRuleReader(namespace: metadata.namespace)
        var rules: [PolicyRule] = []
        for (list, isDeny) in [("ingress", false), ("ingressDeny", true)] {
            for (index, ingress) in ((isDeny ? rule.ingressDeny : rule.ingress) ?? []).enumerated() {
                rules += reader.rules(
                    CiliumRuleParts(ingress), .ingress, isDeny, "\(name) \(list)[\(index)]", place[list, index],
                    &refusals)
            }
        }
        for (list, isDeny) in [("egress", false), ("egressDeny", true)] {
            for (index, egress) in ((isDeny ? rule.egressDeny : rule.egress) ?? []).enumerated() {
                rules += reader.rules(
                    CiliumRuleParts(egress), .egress, isDeny, "\(name) \(list)[\(index)]", place[list, index],
                    &refusals)
            }
        }
        var isolates: Set<PolicyDirection> = []
        // A list with at least one rule isolates, even if that rule allows nothing, unless the policy says otherwise.
        let hasIngress = !(rule.ingress ?? []).isEmpty || !(rule.ingressDeny ?? []).isEmpty
        let hasEgress = !(rule.egress ?? []).isEmpty || !(rule.egressDeny ?? []).isEmpty
        if rule.enableDefaultDeny?.ingress ?? hasIngress { isolates.insert(.ingress) }
        if rule.enableDefaultDeny?.egress ?? hasEgress { isolates.insert(.egress) }
        return PolicyUnit(policy: policyName, subject: subject, isolates: isolates, rules: rules)
    }

    private var policyName: String { "CiliumNetworkPolicy \(metadata.namespace)/\(metadata.name)" }
}

/// The parts that ingress and egress rules have in common.
struct CiliumRuleParts {
    var endpoints: [LabelSelector]?
    var cidrs: [String]?
    var cidrSets: [CiliumCIDR]?
    var entities: [CiliumEntity]?
    var names: [CiliumFQDN]?
    var services: [CiliumServiceReference]?
    var ports: [CiliumPortRule]?
    var icmps: [CiliumICMPRule]?
    /// The fields that Cilium knows and labrun does not support, by name.
    var unsupported: [String]

    init(_ rule: CiliumIngressRule) {
        endpoints = rule.fromEndpoints
        cidrs = rule.fromCIDR
        cidrSets = rule.fromCIDRSet
        entities = rule.fromEntities
        ports = rule.toPorts
        icmps = rule.icmps
        unsupported = [
            ("fromRequires", rule.fromRequires), ("fromNodes", rule.fromNodes), ("fromGroups", rule.fromGroups),
            ("authentication", rule.authentication),
        ].filter { $0.1 != nil }.map(\.0)
    }

    init(_ rule: CiliumEgressRule) {
        endpoints = rule.toEndpoints
        cidrs = rule.toCIDR
        cidrSets = rule.toCIDRSet
        entities = rule.toEntities
        names = rule.toFQDNs
        services = rule.toServices
        ports = rule.toPorts
        icmps = rule.icmps
        unsupported = [
            ("toRequires", rule.toRequires), ("toNodes", rule.toNodes), ("toGroups", rule.toGroups),
            ("authentication", rule.authentication),
        ].filter { $0.1 != nil }.map(\.0)
    }
}

/// Reads one ingress or egress rule.
struct CiliumRuleReader {
    let namespace: String

    func rules(
        _ parts: CiliumRuleParts, _ direction: PolicyDirection, _ isDeny: Bool, _ name: String, _ place: PolicyPlace,
        _ refusals: inout [PolicyRefusal]
    ) -> [PolicyRule] {
        let word = direction == .ingress ? "from" : "to"
        for field in parts.unsupported { refusals.append(place[field].refuse("is not supported")) }
        if parts.services != nil {
            refusals.append(place["toServices"].refuse("is not supported; name the pods by toEndpoints"))
        }
        if isDeny, parts.names != nil {
            refusals.append(
                place["toFQDNs"].refuse(
                    "cannot be denied: who knows another name of an address goes there all the same"))
        }
        let peers = peers(parts, word, place, &refusals)
        guard let l4 = ports(parts, direction, isDeny, place, &refusals) else {
            // A rule without peers and ports allows nothing: it only isolates.
            return [rule(peers ?? [], nil)]
        }
        return l4.map { rule(peers ?? [.everybody], $0.ports, $0.requests) }

        func rule(_ peers: [Peer], _ ports: [RulePort]?, _ requests: RequestMatches? = nil) -> PolicyRule {
            PolicyRule(
                name: name, direction: direction, isDeny: isDeny, peers: peers, ports: ports, requests: requests)
        }
    }

    /// Reads the peers. Returns nil if the rule names no kind of peer, and an empty list if it names a kind but no peer
    /// of it.
    private func peers(
        _ parts: CiliumRuleParts, _ word: String, _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) -> [Peer]? {
        let given = [
            parts.endpoints == nil ? nil : "\(word)Endpoints", parts.cidrs == nil ? nil : "\(word)CIDR",
            parts.cidrSets == nil ? nil : "\(word)CIDRSet", parts.entities == nil ? nil : "\(word)Entities",
            parts.names == nil ? nil : "\(word)FQDNs",
        ].compactMap { $0 }
        if given.isEmpty { return nil }
        // Cilium combines these two lists of ranges, and refuses other combinations.
        if given.count > 1, given != ["\(word)CIDR", "\(word)CIDRSet"] {
            refusals.append(
                place.refuse("\(given.joined(separator: " and ")) cannot be combined in a rule; write two rules"))
        }
        var all: [Peer] = []
        for (index, selector) in (parts.endpoints ?? []).enumerated() {
            all.append(.selected(endpoints(selector, place["\(word)Endpoints", index], &refusals)))
        }
        for (index, text) in (parts.cidrs ?? []).enumerated() {
            let place = place["\(word)CIDR", index]
            if let range = Peer.range(cidr: text, except: [], at: place, &refusals) { all.append(range) }
        }
        for (index, set) in (parts.cidrSets ?? []).enumerated() {
            let place = place["\(word)CIDRSet", index]
            if set.cidrGroupRef != nil || set.cidrGroupSelector != nil {
                refusals.append(place.refuse("groups of ranges are not supported; write the ranges out"))
            } else if let cidr = set.cidr {
                if let range = Peer.range(cidr: cidr, except: set.except, at: place, &refusals) { all.append(range) }
            } else {
                refusals.append(place.refuse("cidr is missing"))
            }
        }
        for (index, entity) in (parts.entities ?? []).enumerated() {
            let place = place["\(word)Entities", index]
            all += refusals.taking { () throws(PolicyRefusal) in try self.peers(entity, place) } ?? []
        }
        for (index, name) in (parts.names ?? []).enumerated() {
            let place = place["\(word)FQDNs", index]
            let pattern = refusals.taking { () throws(PolicyRefusal) in try Self.pattern(name, place) }
            if let pattern { all.append(.name(pattern)) }
        }
        return all
    }

    /// Selects pods of the policy's namespace, unless the selector says which namespaces it means or is about something
    /// else.
    private func endpoints(
        _ labels: LabelSelector, _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) -> Selector {
        var selector = Selector()
        selector.require(cilium: labels, at: place, &refusals)
        if !selector.namesItsNamespace { selector.require(namespace: namespace) }
        return selector
    }

    private func peers(_ entity: CiliumEntity, _ place: PolicyPlace) throws(PolicyRefusal) -> [Peer] {
        switch entity {
        case .all: return [.everybody]
        case .none: return []
        case .cluster: return [.cluster]
        case .world, .worldIPv4: return [.selected(.reserved("world"))]
        case .host, .remoteNode, .health, .unmanaged, .initial, .kubeAPIServer:
            return [.selected(.reserved(entity.rawValue))]
        case .worldIPv6: throw place.refuse("world-ipv6: IPv6 is not supported")
        case .ingress: throw place.refuse("ingress: there is no ingress proxy")
        }
    }

    /// Reads the ports. Returns nil if the rule names none.
    private func ports(
        _ parts: CiliumRuleParts, _ direction: PolicyDirection, _ isDeny: Bool, _ place: PolicyPlace,
        _ refusals: inout [PolicyRefusal]
    ) -> [(ports: [RulePort]?, requests: RequestMatches?)]? {
        let toPorts = parts.ports ?? []
        let icmps = parts.icmps ?? []
        if !toPorts.isEmpty, !icmps.isEmpty {
            refusals.append(place.refuse("toPorts and icmps cannot be combined in a rule; write two rules"))
        }
        var all: [(ports: [RulePort]?, requests: RequestMatches?)] = []
        if !icmps.isEmpty { all.append((ICMPTypes.ports(icmps, place, &refusals), nil)) }
        for (index, element) in toPorts.enumerated() {
            let place = place["toPorts", index]
            refusals += unsupported(element, place)
            var ports: [RulePort] = []
            for (index, port) in element.ports.enumerated() {
                ports +=
                    refusals.taking { () throws(PolicyRefusal) in
                        try RulePort.ports(
                            port.port, through: port.endPort, port.protocol, zeroIsAll: true,
                            at: place["ports", index])
                    } ?? []
            }
            all.append((element.ports.isEmpty ? nil : ports, requests(element, direction, isDeny, place, &refusals)))
        }
        return all.isEmpty ? nil : all
    }
}
