import ScenarioReading

/// What a fault takes for itself while it is in force, as far as a file can tell. Faults claim the same at run time.
struct FaultClaims {
    enum Part: Hashable {
        case power
        case agent
        case carrier
        case queueing(interface: String)
        case kubeProxy
        case rule(group: String, name: String)
    }
    struct Claim: Hashable {
        let node: String
        let part: Part
    }

    /// Interfaces that every node has and a file can name.
    static let interfaces = ["eth0", "labrun_vxlan", "labrun_geneve", "labrun_host"]
    /// What only a node that runs has.
    static let partsOfRunningNode: [Part] =
        [.agent, .carrier, .kubeProxy] + interfaces.map { .queueing(interface: $0) }

    let claims: [Claim]

    /// - Parameter nodes: All of the lab; meant where the call names none.
    init(_ call: FaultCall, nodes: [String]) {
        let part: Part
        switch call.kind {
        case "node-crash", "node-pause": part = .power
        case "agent-kill": part = .agent
        case "link-down": part = .carrier
        case "kube-proxy-residue": part = .kubeProxy
        case "netem": part = .queueing(interface: call.text("interface") ?? "eth0")
        case "security-group-rule":
            part = .rule(group: call.text("group") ?? "", name: call.text("rule") ?? call.id)
        default:
            claims = []
            return
        }
        var targets = nodes
        if case .texts(let names)? = call.parameters["nodes"] { targets = names }
        claims = targets.map { Claim(node: $0, part: part) }
    }
}

extension FaultClaims.Claim: CustomStringConvertible {
    var description: String {
        switch part {
        case .power: "the power of \(node)"
        case .agent: "the agent of \(node)"
        case .carrier: "the carrier of \(node)'s eth0"
        case .kubeProxy: "kube-proxy of \(node)"
        case .queueing(let interface): "the queueing discipline of \(node)'s \(interface)"
        case .rule(let group, let name): "security group rule \(group)/\(name) at \(node)"
        }
    }
}

extension FaultCall {
    func text(_ name: String) -> String? {
        if case .text(let value)? = parameters[name] { return value }
        return nil
    }
}

extension ScenarioReader {
    /// Reports the first conflict with a fault in force; what conflicts holds nothing.
    mutating func take(_ wanted: FaultClaims, for call: FaultCall, _ place: Place) {
        for claim in wanted.claims {
            guard let (message, severity) = conflict(of: claim) else { continue }
            if severity == .error {
                checker.report(place, message)
            } else {
                problems.append(
                    Problem(
                        severity: severity, file: file, line: place.line, column: place.column,
                        message: message + ", and the run will refuse it"))
            }
            return
        }
        for claim in wanted.claims { held[claim] = call.id }
        claims[call.id, default: []] += wanted.claims
    }

    /// Gives back what a healed fault held.
    mutating func release(_ id: String) {
        for claim in claims.removeValue(forKey: id) ?? [] { held[claim] = nil }
    }

    private func conflict(of claim: FaultClaims.Claim) -> (message: String, severity: Problem.Severity)? {
        func fault(_ id: String) -> String { "fault \"\(id)\" of line \(active[id] ?? 0)" }
        if let holder = held[claim] { return ("\(claim) is already held by \(fault(holder)); heal it first", .error) }
        if claim.part == .power {
            for part in FaultClaims.partsOfRunningNode {
                guard let holder = held[.init(node: claim.node, part: part)] else { continue }
                return ("\(claim.node) must run until \(fault(holder)) is healed", .error)
            }
        } else if FaultClaims.partsOfRunningNode.contains(claim.part),
            let holder = held[.init(node: claim.node, part: .power)]
        {
            // A file may ask to impair a node that is off, to show that the run refuses it.
            let severity: Problem.Severity = if case .queueing = claim.part { .warning } else { .error }
            return ("\(claim.node) does not run because of \(fault(holder))", severity)
        }
        return nil
    }
}
