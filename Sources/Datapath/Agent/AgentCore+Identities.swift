import AgentAPI
import DatapathModel

extension AgentCore {
    /// What a pod's identity is derived from.
    func identityLabels(namespace: String, labels: [String: String]) -> [String] {
        SecurityIdentity.securityLabels(namespace: namespace, labels: labels)
    }

    func identityLabels(of endpoint: EndpointRecord) -> [String] {
        if endpoint.isHealth { return SecurityIdentity.reserved[.health] ?? [] }
        return identityLabels(namespace: endpoint.namespace, labels: endpoint.labels)
    }

    /// Every identity that the node knows, in order of the numbers.
    func knownIdentities() -> [AgentIdentity] {
        let derived = identities.all.map { AgentIdentity(id: $0, labels: $1.labels, localEndpoints: $1.holders) }
        let health = endpoints.values.filter(\.isHealth).count
        let reserved = SecurityIdentity.reserved.map { identity, labels in
            AgentIdentity(
                id: identity.rawValue, labels: labels, localEndpoints: identity == .health ? health : 0)
        }
        return (reserved + derived).sorted { $0.id < $1.id }
    }
}
