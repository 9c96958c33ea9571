import GatewayRoutes

/// Which of a route's backends there are, and why others are not taken.
struct RouteBackends {
    /// Those of each rule, in order.
    private(set) var rules: [[GatewayTable.Backend]] = []
    /// The first reason, with all that was found; nil if every reference is resolved.
    private(set) var refusal: ObjectCondition?

    /// - Parameter services: All services by their names.
    init(_ route: HTTPRoute, services: [String: BalancedService], grants: [ReferenceGrant]) {
        var reasons: [(reason: String, words: String)] = []
        for rule in route.rules {
            var backends: [GatewayTable.Backend] = []
            for reference in rule.backends {
                let namespace = reference.namespace.isEmpty ? route.name.namespace : reference.namespace
                let problem = Self.problem(
                    reference, of: route.name.namespace, in: namespace, services: services, grants: grants)
                if let problem, !reasons.contains(where: { $0.words == problem.words }) { reasons.append(problem) }
                backends.append(
                    GatewayTable.Backend(
                        namespace: namespace, name: reference.name, port: reference.port ?? 0,
                        weight: reference.weight, isValid: problem == nil))
            }
            rules.append(backends)
        }
        refusal = reasons.first.map { first in
            ObjectCondition("ResolvedRefs", false, first.reason, reasons.map(\.words).joined(separator: "; "))
        }
    }

    private static func problem(
        _ reference: HTTPRoute.BackendReference, of own: String, in namespace: String,
        services: [String: BalancedService], grants: [ReferenceGrant]
    ) -> (reason: String, words: String)? {
        guard reference.group.isEmpty, reference.kind == "Service" else {
            let kind = [reference.group, reference.kind].filter { !$0.isEmpty }.joined(separator: "/")
            return ("InvalidKind", "a backend of kind \(kind.prefix(64)) is not supported")
        }
        let name = "\(namespace)/\(reference.name)"
        let isPermitted =
            namespace == own
            || grants.contains { $0.name.namespace == namespace && $0.permits(routesOf: own, service: reference.name) }
        guard isPermitted else {
            return ("RefNotPermitted", "no ReferenceGrant lets routes of \(own) name service \(name)")
        }
        guard let service = services[name] else { return ("BackendNotFound", "service \(name) does not exist") }
        guard let port = reference.port else { return ("BackendNotFound", "service \(name) is named without a port") }
        guard service.ports.contains(where: { $0.port == port && $0.transport == "TCP" }) else {
            return ("BackendNotFound", "service \(name) has no TCP port \(port)")
        }
        return nil
    }
}
