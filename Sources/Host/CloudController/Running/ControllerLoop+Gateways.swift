import JSON
import KubeClient
import ServerProgram

extension ControllerLoop {
    /// Brings the statuses of gateways and routes, and the gateways' Services, in line with what is known.
    func serve(_ view: GatewayView) async throws {
        let affairs = GatewayAffairs(view, time: Self.timestamp())
        if affairs.needsClass { try await makeUsualClass() }
        for service in affairs.services {
            let (name, namespace) = (service.name.name, service.name.namespace)
            switch service.action {
            case .none: continue
            case .create(let object):
                log("gateway service \(service.name) is made")
                try await write {
                    try await client.create(
                        .services, namespace: namespace, KubeBody(object.value), within: Self.patience)
                }
            case .patch(let patch):
                try await write {
                    try await client.patch(
                        .services, namespace: namespace, name: name, .merge, KubeBody(patch.value),
                        within: Self.patience)
                }
            }
        }
        for name in affairs.orphans {
            log("gateway service \(name) is nobody's any more")
            try await write {
                try await client.delete(
                    .services, namespace: name.namespace, name: name.name, uid: name.uid, within: Self.patience)
            }
        }
        for (resource, patches) in [
            (KubeResource.gatewayClasses, affairs.classes), (KubeResource.gateways, affairs.gateways),
            (KubeResource.httpRoutes, affairs.routes),
        ] {
            for one in patches {
                try await write {
                    try await client.patch(
                        resource, namespace: one.name.namespace.isEmpty ? nil : one.name.namespace,
                        name: one.name.name, subresource: "status", .merge, KubeBody(one.patch.value),
                        within: Self.patience)
                }
            }
        }
    }

    /// The class that Cilium's chart makes with `gatewayAPI.enabled`.
    private func makeUsualClass() async throws {
        let object = JSONValue.object([
            "apiVersion": .string("\(GatewayNames.group)/v1"), "kind": .string("GatewayClass"),
            "metadata": .object(["name": .string(GatewayNames.usualClass)]),
            "spec": .object(["controllerName": .string(GatewayNames.controller)]),
        ])
        try await write {
            try await client.create(.gatewayClasses, KubeBody(object), within: Self.patience)
        }
    }
}
