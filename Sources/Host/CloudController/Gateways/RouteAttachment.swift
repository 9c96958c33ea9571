import GatewayRoutes

/// Where a route is attached to one of its parents, or why it is not.
struct RouteAttachment: Sendable, Hashable {
    /// The indices of the gateway's listeners, each with the hosts that it and the route have in common.
    private(set) var listeners: [Int: [String]] = [:]
    let accepted: ObjectCondition

    var isAccepted: Bool { accepted.isTrue }

    /// - Parameters:
    ///   - gateway: The parent; nil if there is none of that name.
    ///   - labels: Those of the route's namespace; nil if it is not known.
    init(
        _ route: HTTPRoute, to parent: HTTPRoute.Parent, _ gateway: Gateway?, _ states: [ListenerState],
        labels: [String: String]?
    ) {
        guard let gateway else {
            let namespace = parent.namespace.isEmpty ? route.name.namespace : parent.namespace
            accepted = Self.refused("NoMatchingParent", "gateway \(namespace)/\(parent.name) does not exist")
            return
        }
        let named = states.indices.filter { index in
            let listener = states[index].listener
            return (parent.sectionName == nil || parent.sectionName == listener.name)
                && (parent.port == nil || parent.port == listener.port)
        }
        guard !named.isEmpty else {
            let words = [parent.sectionName.map { "name \($0)" }, parent.port.map { "port \($0)" }].compactMap { $0 }
            accepted = Self.refused(
                "NoMatchingParent",
                words.isEmpty
                    ? "gateway \(gateway.name) has no listener"
                    : "gateway \(gateway.name) has no listener of \(words.joined(separator: " and "))")
            return
        }
        let open = named.filter { index in
            states[index].takesRoutes
                && states[index].admits(
                    routesOf: route.name.namespace, gateway: gateway.name.namespace, labels: labels)
        }
        guard !open.isEmpty else {
            accepted = Self.refused(
                "NotAllowedByListeners", Self.closed(named.map { states[$0] }, route.name.namespace))
            return
        }
        for index in open {
            let own = states[index].listener.hostname
            let hosts = (route.hostnames.isEmpty ? [nil] : route.hostnames.map(Optional.some)).compactMap { name in
                Hostname.intersection(own, name)
            }
            if !hosts.isEmpty { listeners[index] = hosts }
        }
        guard !listeners.isEmpty else {
            accepted = Self.refused(
                "NoMatchingListenerHostname",
                "no listener's hostname has one of \(route.hostnames.joined(separator: ", ").prefix(300))")
            return
        }
        if let mistake = route.mistake {
            listeners = [:]
            accepted = Self.refused("UnsupportedValue", mistake)
            return
        }
        accepted = ObjectCondition("Accepted", true, "Accepted", "Accepted HTTPRoute")
    }

    private static func refused(_ reason: String, _ words: String) -> ObjectCondition {
        ObjectCondition("Accepted", false, reason, words)
    }

    private static func closed(_ states: [ListenerState], _ namespace: String) -> String {
        states.map { state in
            let name = state.listener.name
            guard state.isAccepted else { return "listener \(name) is not accepted itself" }
            guard state.takesRoutes else { return "listener \(name) takes no HTTPRoutes" }
            return "listener \(name) takes no routes of namespace \(namespace) (from: \(state.listener.from))"
        }.joined(separator: "; ")
    }
}
