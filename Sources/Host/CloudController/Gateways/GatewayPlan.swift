import GatewayRoutes
import JSON

/// A gateway with what is attached to it.
struct GatewayPlan {
    let gateway: Gateway
    private(set) var listeners: [ListenerState] = []
    /// The rules of each port and host, not yet in order.
    private var rules: [UInt16: [String: [GatewayTable.Rule]]] = [:]

    init(_ gateway: Gateway) {
        self.gateway = gateway
        for listener in gateway.listeners { listeners.append(ListenerState(listener, after: listeners)) }
        // A host of a listener without routes is not for the routes of others.
        for state in listeners where state.isAccepted {
            rules[state.listener.port, default: [:]][state.listener.hostname ?? Hostname.all] = []
        }
    }

    /// Attaches a route. Older routes come first: of equal matches the first counts.
    mutating func attach(_ route: HTTPRoute, _ attachment: RouteAttachment, _ backends: RouteBackends) {
        for (index, hosts) in attachment.listeners.sorted(by: { $0.key < $1.key }) {
            listeners[index].routes.insert(route.name)
            let port = listeners[index].listener.port
            let new = zip(route.rules, backends.rules).flatMap { rule, backends in
                rule.matches.map { match -> GatewayTable.Rule in
                    var made = GatewayTable.Rule(route: route.name.description, match: match, backends: backends)
                    made.requestHeaders = rule.filters.requestHeaders
                    made.responseHeaders = rule.filters.responseHeaders
                    made.redirect = rule.filters.redirect
                    made.rewrite = rule.filters.rewrite
                    return made
                }
            }
            for host in hosts { rules[port, default: [:]][host, default: []] += new }
        }
    }

    /// The ports of accepted listeners, in order.
    var ports: [UInt16] { Set(listeners.filter(\.isAccepted).map(\.listener.port)).sorted() }

    var table: GatewayTable {
        GatewayTable(
            listeners: ports.map { port in
                GatewayTable.Listener(
                    port: port,
                    hosts: (rules[port] ?? [:]).sorted { $0.key < $1.key }.map { name, rules in
                        GatewayTable.Host(name: name, rules: Self.ordered(rules))
                    })
            })
    }

    /// In Gateway API's order, in which equal ones stay as they came. A route that is attached twice counts once.
    private static func ordered(_ rules: [GatewayTable.Rule]) -> [GatewayTable.Rule] {
        var seen: Set<GatewayTable.Rule> = []
        return rules.filter { seen.insert($0).inserted }.enumerated().sorted { one, other in
            one.element.match.precedes(other.element.match) ?? (one.offset < other.offset)
        }.map(\.element)
    }

    // MARK: Status

    /// The gateway's status, if it is another than that which it has.
    func status(
        service: GatewayService, present: BalancedService?, time: String
    ) -> [GatewayAffairs.StatusPatch] {
        let old = gateway.status.value
        let (accepted, programmed) = conditions(service, present)
        let addresses = programmed.isTrue ? present?.ingress ?? [] : []
        let oldListeners = (try? old.list("listeners")) ?? []
        let status: [String: JSONValue] = [
            "conditions": [accepted, programmed].json(
                generation: gateway.version.generation, present: (try? old.list("conditions")) ?? [], time: time),
            "addresses": .array(
                addresses.map { .object(["type": .string("IPAddress"), "value": .string($0)]) }),
            "listeners": .array(
                listeners.map {
                    $0.status(
                        generation: gateway.version.generation, present: oldListeners,
                        isProgrammed: programmed.isTrue, time: time)
                }),
        ]
        guard status.contains(where: { old.at($0.key) != $0.value }) else { return [] }
        return [
            GatewayAffairs.StatusPatch(
                name: gateway.name, patch: JSONBox(.object(["status": .object(status)])))
        ]
    }

    private func conditions(
        _ service: GatewayService, _ present: BalancedService?
    ) -> (accepted: ObjectCondition, programmed: ObjectCondition) {
        func accepted(_ isTrue: Bool, _ reason: String, _ words: String) -> ObjectCondition {
            ObjectCondition("Accepted", isTrue, reason, words)
        }
        func programmed(_ isTrue: Bool, _ reason: String, _ words: String) -> ObjectCondition {
            ObjectCondition("Programmed", isTrue, reason, words)
        }
        if gateway.hasAddresses {
            let words = "addresses cannot be asked for: all load balancers share one"
            return (accepted(false, "UnsupportedAddress", words), programmed(false, "Invalid", words))
        }
        let refused = listeners.filter { !$0.isAccepted }.map(\.listener.name)
        guard !ports.isEmpty else {
            let words = listeners.isEmpty ? "it has no listener" : "none of its listeners is accepted"
            return (accepted(false, "ListenersNotValid", words), programmed(false, "Invalid", words))
        }
        let own =
            refused.isEmpty
            ? accepted(true, "Accepted", "Gateway successfully scheduled")
            : accepted(
                true, "ListenersNotValid", "not accepted: listeners \(refused.joined(separator: ", ").prefix(300))")
        if let reason = service.refusal { return (own, programmed(false, "Invalid", reason)) }
        guard present?.ingress.isEmpty == false else {
            return (own, programmed(false, "AddressNotAssigned", "its Service has no address of a load balancer yet"))
        }
        return (own, programmed(true, "Programmed", "Gateway successfully reconciled"))
    }
}
