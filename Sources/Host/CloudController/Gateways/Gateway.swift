import GatewayRoutes
import JSON

/// `gateway.networking.k8s.io/v1 GatewayClass`
struct GatewayClass: Sendable, Hashable {
    let name: ObjectName
    let version: ObjectVersion
    var controller: String
    var hasParameters: Bool
    /// The conditions that its status has.
    var conditions: [JSONBox]

    init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        version = ObjectVersion(object)
        controller = object.at("spec", "controllerName")?.text ?? ""
        hasParameters = object.at("spec", "parametersRef") != nil
        conditions = try object.at("status").map { try $0.list("conditions") }?.map(JSONBox.init) ?? []
    }
}

/// A value that is compared and hashed by its text.
struct JSONBox: Sendable, Hashable {
    let value: JSONValue
    init(_ value: JSONValue) { self.value = value }
    static func == (one: Self, other: Self) -> Bool { one.value == other.value }
    func hash(into hasher: inout Hasher) { hasher.combine(value.canonicalText) }
}

/// `gateway.networking.k8s.io/v1 Gateway`
struct Gateway: Sendable, Hashable {
    struct Listener: Sendable, Hashable {
        var name: String
        var port: UInt16
        var protocolName: String
        /// Nil for all hosts.
        var hostname: String?
        /// `Same`, `All`, `Selector`
        var from: String
        var selector: LabelSelection
        /// The kinds of routes that it asks for; empty for those that its protocol has.
        var kinds: [String]
    }
    let name: ObjectName
    let version: ObjectVersion
    var className: String
    var listeners: [Listener]
    var hasAddresses: Bool
    /// As the API server has it.
    var status: JSONBox

    /// - Throws: `UnreadableObject`.
    init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        version = ObjectVersion(object)
        className = object.at("spec", "gatewayClassName")?.text ?? ""
        hasAddresses = try object.at("spec").map { try $0.list("addresses") }?.isEmpty == false
        status = JSONBox(object.at("status") ?? .object([:]))
        listeners =
            try object.at("spec").map { try $0.list("listeners") }?.prefix(64).map { listener in
                let namespaces = listener.at("allowedRoutes", "namespaces")
                return Listener(
                    name: listener.at("name")?.text ?? "",
                    port: listener.at("port")?.integerValue.flatMap { UInt16(exactly: $0) } ?? 0,
                    protocolName: listener.at("protocol")?.text ?? "",
                    hostname: listener.at("hostname")?.text.flatMap { $0.isEmpty ? nil : $0 },
                    from: namespaces?.at("from")?.text ?? "Same",
                    selector: try LabelSelection(namespaces?.at("selector")),
                    kinds: try listener.at("allowedRoutes").map { try $0.list("kinds") }?.map { kind in
                        "\(kind.at("group")?.text ?? GatewayNames.group)/\(kind.at("kind")?.text ?? "")"
                    } ?? [])
            } ?? []
    }
}

/// `metav1.LabelSelector`
struct LabelSelection: Sendable, Hashable {
    private var labels: [String: String] = [:]
    private var expressions: [Expression] = []

    private struct Expression: Sendable, Hashable {
        var key: String
        var operation: String
        var values: [String]
    }

    /// - Parameter value: Nil selects nothing that has to be selected: everything.
    init(_ value: JSONValue?) throws(UnreadableObject) {
        guard let value else { return }
        labels = try value.textMap("matchLabels")
        for one in try value.list("matchExpressions") {
            expressions.append(
                Expression(
                    key: one.at("key")?.text ?? "", operation: one.at("operator")?.text ?? "",
                    values: try one.texts("values")))
        }
    }

    func selects(_ own: [String: String]) -> Bool {
        labels.allSatisfy { own[$0.key] == $0.value }
            && expressions.allSatisfy { expression in
                let value = own[expression.key]
                return switch expression.operation {
                case "In": value.map(expression.values.contains) ?? false
                case "NotIn": !(value.map(expression.values.contains) ?? false)
                case "Exists": value != nil
                case "DoesNotExist": value == nil
                default: false
                }
            }
    }
}

/// A namespace's labels.
struct LabelledNamespace: Sendable, Hashable {
    let name: ObjectName
    var labels: [String: String]

    init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        labels = try object.at("metadata").map { try $0.textMap("labels") } ?? [:]
    }
}

/// `gateway.networking.k8s.io/v1beta1 ReferenceGrant`: which objects of other namespaces may name which of its own.
struct ReferenceGrant: Sendable, Hashable {
    private struct Source: Sendable, Hashable {
        var kind: String
        var namespace: String
    }
    private struct Target: Sendable, Hashable {
        var kind: String
        /// Empty for all.
        var name: String
    }
    let name: ObjectName
    private var sources: [Source]
    private var targets: [Target]

    init(_ object: JSONValue) throws {
        name = try ObjectName(object)
        let spec = object.at("spec") ?? .object([:])
        sources = try spec.list("from").map {
            Source(
                kind: "\($0.at("group")?.text ?? "")/\($0.at("kind")?.text ?? "")",
                namespace: $0.at("namespace")?.text ?? "")
        }
        targets = try spec.list("to").map {
            Target(
                kind: "\($0.at("group")?.text ?? "")/\($0.at("kind")?.text ?? "")", name: $0.at("name")?.text ?? "")
        }
    }

    /// Whether an HTTPRoute of a namespace may name a Service of the grant's.
    func permits(routesOf namespace: String, service: String) -> Bool {
        sources.contains { $0.kind == "\(GatewayNames.group)/HTTPRoute" && $0.namespace == namespace }
            && targets.contains { $0.kind == "/Service" && ($0.name.isEmpty || $0.name == service) }
    }
}
