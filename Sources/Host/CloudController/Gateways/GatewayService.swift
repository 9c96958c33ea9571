import Foundation
import GatewayRoutes
import JSON

/// The Service of a gateway: it has the gateway's ports and its table, by which the nodes' proxies know what to do, and
/// no pods of its own.
struct GatewayService: Hashable {
    enum Action: Hashable {
        case none
        case create(JSONBox)
        /// A merge patch.
        case patch(JSONBox)
    }
    let name: ObjectName
    private(set) var action = Action.none
    /// Why there is none.
    private(set) var refusal: String?

    /// - Parameter present: The Service of that name.
    init(_ plan: GatewayPlan, present: BalancedService?) {
        let gateway = plan.gateway.name
        name = ObjectName(namespace: gateway.namespace, name: GatewayNames.service(of: gateway.name))
        guard present == nil || present?.gateway == String(gateway.name.prefix(63)) else {
            refusal = "service \(name) is there and not this gateway's"
            return
        }
        guard !plan.ports.isEmpty, !plan.gateway.hasAddresses else { return }
        guard let text = Self.text(of: plan.table), text.utf8.count <= GatewayTable.longestText else {
            refusal = "the routes are more than a Service can carry"
            return
        }
        // It is made again when the old one is gone.
        if let present, present.isTerminating { return }
        let wanted = plan.ports.map { port -> JSONValue in
            var one: [String: JSONValue] = [
                "name": .string("port-\(port)"), "port": .integer(Int64(port)), "protocol": .string("TCP"),
            ]
            // Otherwise a port that stays would get another node port.
            if let old = present?.ports.first(where: { $0.port == port }), old.nodePort != 0 {
                one["nodePort"] = .integer(Int64(old.nodePort))
            }
            return .object(one)
        }
        if let present {
            guard present.table != text || present.ports.map(\.port) != plan.ports else { return }
            action = .patch(
                JSONBox(
                    .object([
                        "metadata": .object(["annotations": .object([GatewayTable.annotation: .string(text)])]),
                        "spec": .object(["ports": .array(wanted)]),
                    ])))
            return
        }
        action = .create(
            JSONBox(
                .object([
                    "apiVersion": .string("v1"), "kind": .string("Service"),
                    "metadata": .object([
                        "name": .string(name.name), "namespace": .string(name.namespace),
                        "labels": .object([
                            GatewayNames.owner: .string(String(gateway.name.prefix(63))),
                            "\(GatewayNames.group)/gateway-name": .string(String(gateway.name.prefix(63))),
                        ]),
                        "annotations": .object([GatewayTable.annotation: .string(text)]),
                        "ownerReferences": .array([
                            .object([
                                "apiVersion": .string("\(GatewayNames.group)/v1"), "kind": .string("Gateway"),
                                "name": .string(gateway.name), "uid": .string(gateway.uid), "controller": .bool(true),
                            ])
                        ]),
                    ]),
                    "spec": .object(["type": .string("LoadBalancer"), "ports": .array(wanted)]),
                ])))
    }

    static func text(of table: GatewayTable) -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(table)).map { String(decoding: $0, as: UTF8.self) }
    }
}
