import GatewayRoutes
import JSON

/// What a gateway controller does: the statuses of classes, gateways and routes, and the gateways' Services with their
/// tables.
struct GatewayAffairs {
    /// A status that is not as it should be, as a merge patch.
    struct StatusPatch: Hashable {
        let name: ObjectName
        let patch: JSONBox
    }
    private(set) var classes: [StatusPatch] = []
    private(set) var gateways: [StatusPatch] = []
    private(set) var routes: [StatusPatch] = []
    private(set) var services: [GatewayService] = []
    /// Services of gateways that are gone.
    private(set) var orphans: [ObjectName] = []
    /// Whether the usual class is missing, as Helm would make it.
    let needsClass: Bool

    /// - Parameter time: `2026-01-31T12:00:00Z`
    init(_ view: GatewayView, time: String) {
        let ours = view.classes.filter { $0.controller == GatewayNames.controller }
        needsClass = !view.classes.contains { $0.name.name == GatewayNames.usualClass }
        for one in ours { classes += Self.status(of: one, time) }
        let usable = Set(ours.filter { !$0.hasParameters }.map(\.name.name))
        let own = view.gateways.filter { usable.contains($0.className) && !$0.version.isTerminating }
        var plans = own.sorted { $0.name < $1.name }.map(GatewayPlan.init)
        let others = Set(view.gateways.map(\.name)).subtracting(own.map(\.name))
        let services = Dictionary(view.services.map { ($0.name.description, $0) }) { first, _ in first }
        // The oldest route comes first, and then by name.
        let ordered = view.routes.filter { !$0.version.isTerminating }.sorted {
            ($0.version.created, $0.name) < ($1.version.created, $1.name)
        }
        for route in ordered {
            let backends = RouteBackends(route, services: services, grants: view.grants)
            let labels = view.namespaces.first { $0.name.name == route.name.namespace }?.labels
            var parents: [(HTTPRoute.Parent, [ObjectCondition])] = []
            for parent in route.parents {
                let namespace = parent.namespace.isEmpty ? route.name.namespace : parent.namespace
                let isOfOthers = others.contains { $0.namespace == namespace && $0.name == parent.name }
                if isOfOthers { continue }
                let index = plans.firstIndex {
                    $0.gateway.name.namespace == namespace && $0.gateway.name.name == parent.name
                }
                let attachment = RouteAttachment(
                    route, to: parent, index.map { plans[$0].gateway }, index.map { plans[$0].listeners } ?? [],
                    labels: labels)
                if let index { plans[index].attach(route, attachment, backends) }
                let resolved =
                    backends.refusal
                    ?? ObjectCondition("ResolvedRefs", true, "ResolvedRefs", "Service reference is valid")
                parents.append((parent, [attachment.accepted, resolved]))
            }
            routes += Self.status(of: route, parents, time)
        }
        for plan in plans {
            let name = GatewayNames.service(of: plan.gateway.name.name)
            let present = services["\(plan.gateway.name.namespace)/\(name)"]
            let service = GatewayService(plan, present: present)
            if service.action != .none { self.services.append(service) }
            gateways += plan.status(service: service, present: present, time: time)
        }
        let kept = Set(own.map { "\($0.name.namespace)/\($0.name.name.prefix(63))" })
        orphans = view.services.filter { service in
            guard let owner = service.gateway, !service.isTerminating else { return false }
            return !kept.contains("\(service.name.namespace)/\(owner)")
        }.map(\.name).sorted()
    }

    // MARK: Statuses

    private static func status(of one: GatewayClass, _ time: String) -> [StatusPatch] {
        let accepted =
            one.hasParameters
            ? ObjectCondition("Accepted", false, "InvalidParameters", "parametersRef is not supported")
            : ObjectCondition("Accepted", true, "Accepted", "Valid GatewayClass")
        let present = one.conditions.map(\.value)
        let conditions = [accepted].json(generation: one.version.generation, present: present, time: time)
        guard conditions != .array(present) else { return [] }
        return [
            StatusPatch(
                name: one.name,
                patch: JSONBox(.object(["status": .object(["conditions": conditions])])))
        ]
    }

    private static func status(
        of route: HTTPRoute, _ parents: [(HTTPRoute.Parent, [ObjectCondition])], _ time: String
    ) -> [StatusPatch] {
        let present = route.status.map(\.value)
        let foreign = present.filter { $0.at("controllerName")?.text != GatewayNames.controller }
        let own = parents.map { parent, conditions -> JSONValue in
            let old = present.first {
                $0.at("controllerName")?.text == GatewayNames.controller && $0.at("parentRef") == parent.reference.value
            }
            return .object([
                "parentRef": parent.reference.value, "controllerName": .string(GatewayNames.controller),
                "conditions": conditions.json(
                    generation: route.version.generation, present: (try? old?.list("conditions")) ?? [], time: time),
            ])
        }
        guard foreign + own != present else { return [] }
        return [
            StatusPatch(
                name: route.name,
                patch: JSONBox(.object(["status": .object(["parents": .array(foreign + own)])])))
        ]
    }
}
