import GatewayRoutes
import JSON

/// A listener of a gateway, and what becomes of it.
struct ListenerState: Sendable, Hashable {
    let listener: Gateway.Listener
    /// Why it takes no requests; nil if it does.
    private(set) var refusal: ObjectCondition?
    private(set) var conflict: ObjectCondition?
    private(set) var kinds: ObjectCondition?
    /// Routes that are attached to it.
    var routes: Set<ObjectName> = []

    var isAccepted: Bool { refusal == nil && conflict == nil }
    /// Whether its gateway takes HTTPRoutes by it.
    var takesRoutes: Bool { isAccepted && takesHTTPRoutes }

    private static let httpRoute = "\(GatewayNames.group)/HTTPRoute"
    private var takesHTTPRoutes: Bool { listener.kinds.isEmpty || listener.kinds.contains(Self.httpRoute) }

    /// - Parameter earlier: The gateway's listeners before this one.
    init(_ listener: Gateway.Listener, after earlier: [ListenerState]) {
        self.listener = listener
        if listener.protocolName != "HTTP" {
            refusal = ObjectCondition(
                "Accepted", false, "UnsupportedProtocol",
                "protocol \(listener.protocolName.prefix(32)) is not supported: the lab's proxy speaks HTTP")
        } else if listener.port == 0 {
            refusal = ObjectCondition("Accepted", false, "PortUnavailable", "the port is none")
        } else if let name = listener.hostname, !Hostname.isValid(name) {
            refusal = ObjectCondition("Accepted", false, "Invalid", "hostname \"\(name.prefix(64))\" is none")
        }
        let others = earlier.filter { $0.isAccepted && $0.listener.port == listener.port }
        if refusal == nil, let other = others.first(where: { $0.listener.hostname == listener.hostname }) {
            conflict = ObjectCondition(
                "Conflicted", true, "HostnameConflict",
                "listener \(other.listener.name) has port \(listener.port) and the same hostname")
        }
        let strange = listener.kinds.filter { $0 != Self.httpRoute }
        if !strange.isEmpty {
            kinds = ObjectCondition(
                "ResolvedRefs", false, "InvalidRouteKinds",
                "\(strange.joined(separator: ", ").prefix(200)) cannot be attached to an HTTP listener")
        }
    }

    /// Whether it lets routes of a namespace in.
    func admits(routesOf namespace: String, gateway: String, labels: [String: String]?) -> Bool {
        switch listener.from {
        case "All": true
        case "Same": namespace == gateway
        case "Selector": labels.map(listener.selector.selects) ?? false
        default: false
        }
    }

    /// Its part of the gateway's status.
    ///
    /// - Parameter isProgrammed: Whether the gateway has its address.
    func status(
        generation: Int64, present: [JSONValue], isProgrammed: Bool, time: String
    ) -> JSONValue {
        let old = present.first { $0.at("name")?.text == listener.name }
        let conditions = [
            refusal
                ?? (isAccepted
                    ? ObjectCondition("Accepted", true, "Accepted", "Listener Accepted")
                    : ObjectCondition("Accepted", false, "HostnameConflict", conflict?.message ?? "")),
            conflict ?? ObjectCondition("Conflicted", false, "NoConflicts", "Listener has no conflicts"),
            kinds ?? ObjectCondition("ResolvedRefs", true, "ResolvedRefs", "Resolved Refs"),
            isAccepted && isProgrammed
                ? ObjectCondition("Programmed", true, "Programmed", "Listener Programmed")
                : ObjectCondition(
                    "Programmed", false, isAccepted ? "Pending" : "Invalid",
                    isAccepted ? "the gateway has no address yet" : "the listener is not accepted"),
        ]
        let supported: [JSONValue] =
            takesHTTPRoutes
            ? [.object(["group": .string(GatewayNames.group), "kind": .string("HTTPRoute")])] : []
        return .object([
            "name": .string(listener.name), "attachedRoutes": .integer(Int64(routes.count)),
            "supportedKinds": .array(supported),
            "conditions": conditions.json(
                generation: generation, present: (try? old?.list("conditions")) ?? [], time: time),
        ])
    }
}
