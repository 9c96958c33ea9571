import AgentAPI
import DatapathModel
import KubeObjects
import Policy

extension AgentCore {
    /// Returns the labels from which a pod's identity is derived.
    func identityLabels(namespace: String, labels: [String: String]) -> [String] {
        let key = ObjectKey(namespace: "", name: namespace)
        return SecurityLabels.ofPod(
            namespace: namespace, labels: labels,
            namespaceLabels: objects.namespaces[key]?.metadata.labels ?? [:])
    }

    func identityLabels(of endpoint: EndpointRecord) -> [String] {
        if endpoint.isHealth { return SecurityIdentity.reserved[.health] ?? [] }
        return identityLabels(namespace: endpoint.namespace, labels: endpoint.labels)
    }

    /// Derives the identities of pods again after the labels of a namespace changed.
    ///
    /// - Throws: If an endpoint could not move to the number of its labels. The others have moved.
    mutating func deriveIdentitiesAgain() throws {
        var failure: (any Error)?
        for var endpoint in endpoints.values where !endpoint.isHealth {
            let labels = identityLabels(of: endpoint)
            if identities.allocation != nil {
                // Without a number yet, the old one stays until there is one.
                guard let number = try? identities.number(of: labels), number != endpoint.identity else { continue }
            } else if SecurityIdentity.derive(from: labels) == endpoint.identity {
                continue
            }
            let before = endpoint.identity
            do {
                endpoint.identity = try identities.acquire(labels)
            } catch {
                // An endpoint that is yet to move may hold the number that is these labels' now.
                failure = failure ?? error
                continue
            }
            identities.release(before)
            endpoints[endpoint.key] = endpoint
            try store.save(endpoint)
            if endpoint.phase == .ready { try programs.maps.insert(endpoint) }
            Log.info(
                "identity changed", ["endpoint": "\(endpoint.id)", "from": "\(before)", "to": "\(endpoint.identity)"])
        }
        if let failure { throw failure }
    }

    /// Returns every identity that the node knows, ordered by number.
    func knownIdentities() -> [AgentIdentity] {
        let derived = identities.all.map { AgentIdentity(id: $0, labels: $1.labels, localEndpoints: $1.holders) }
        let health = endpoints.values.filter(\.isHealth).count
        let reserved = SecurityIdentity.reserved.map { identity, labels in
            AgentIdentity(
                id: identity.rawValue, labels: labels, localEndpoints: identity == .health ? health : 0)
        }
        let policy = features.policy
        let ranges = policy.state.ranges.numbers.map {
            AgentIdentity(
                id: $1, labels: LocalIdentities.labels(of: $0, names: policy.names(of: $0)), localEndpoints: 0)
        }
        return (reserved + derived + ranges).sorted { $0.id < $1.id }
    }
}
