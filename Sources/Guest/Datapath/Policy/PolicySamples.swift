import AgentAPI
import DatapathModel
import Policy

extension PolicyFeature {
    /// Reads the policy map from the kernel.
    func samples(_ core: borrowing AgentCore) throws -> [PolicySample] {
        let classes = try core.programs.maps.policy.classes()
        let labels = Dictionary(core.knownIdentities().map { ($0.id, $0.labels) }) { first, _ in first }
        return try core.programs.maps.policy.entries().sorted { Self.isBefore($0.key, $1.key) }.map { key, value in
            PolicySample(
                endpointID: key.endpointID, direction: key.direction?.description ?? "unknown",
                verdict: value.verdict.name, identity: key.identity.rawValue,
                labels: labels[key.identity.rawValue] ?? [],
                ports: Self.text(classes.ports[key.portClass] ?? [], of: key.portClass),
                rule: state.ruleNames.name(of: value.rule), proxyPort: value.verdict.proxyPort)
        }
    }

    private static func isBefore(_ left: PolicyMapKey, _ right: PolicyMapKey) -> Bool {
        (left.endpointID, left.direction?.rawValue ?? 0, left.identity.rawValue, left.portClass)
            < (right.endpointID, right.direction?.rawValue ?? 0, right.identity.rawValue, right.portClass)
    }

    private static func text(_ ranges: [PortRange], of number: UInt16) -> String {
        if number == 0 { return "ANY" }
        return ranges.map { range in
            let ports = range.ports
            let text = ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
            return "\(text)/\(range.protocol.name)"
        }.joined(separator: " ")
    }
}

extension PortProtocol {
    fileprivate var name: String {
        switch self {
        case .tcp: "TCP"
        case .udp: "UDP"
        case .sctp: "SCTP"
        case .icmp: "ICMP"
        }
    }
}

extension PolicyMapValue.Verdict {
    fileprivate var name: String {
        switch self {
        case .allow: "allow"
        case .redirect: "redirect"
        case .deny: "deny"
        case .defaultDeny: "default-deny"
        }
    }

    fileprivate var proxyPort: UInt16? {
        if case .redirect(let port) = self { return port }
        return nil
    }
}
