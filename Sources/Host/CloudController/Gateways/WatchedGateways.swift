import KubeClient

/// All that a gateway controller follows at the API server, apart from Services.
final class WatchedGateways: Sendable {
    private let classes: WatchedObjects<GatewayClass>
    private let gateways: WatchedObjects<Gateway>
    private let routes: WatchedObjects<HTTPRoute>
    private let grants: WatchedObjects<ReferenceGrant>
    private let namespaces: WatchedObjects<LabelledNamespace>

    init(_ client: KubeClient) {
        classes = WatchedObjects(client, .gatewayClasses, key: \.name) { try GatewayClass($0) }
        gateways = WatchedObjects(client, .gateways, key: \.name) { try Gateway($0) }
        routes = WatchedObjects(client, .httpRoutes, key: \.name) { try HTTPRoute($0) }
        grants = WatchedObjects(client, .referenceGrants, key: \.name) { try ReferenceGrant($0) }
        namespaces = WatchedObjects(client, .namespaces, key: \.name) { try LabelledNamespace($0) }
    }

    /// What is known; nil as long as not everything was listed.
    func view(_ services: [BalancedService]) -> GatewayView? {
        guard let classes = classes.all, let gateways = gateways.all, let routes = routes.all, let grants = grants.all,
            let namespaces = namespaces.all
        else { return nil }
        return GatewayView(
            classes: classes, gateways: gateways, routes: routes, grants: grants, namespaces: namespaces,
            services: services)
    }

    /// Follows the API server until the task is cancelled.
    func follow(_ changed: @escaping @Sendable () -> Void) async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [classes] in await classes.follow(changed) }
            tasks.addTask { [gateways] in await gateways.follow(changed) }
            tasks.addTask { [routes] in await routes.follow(changed) }
            tasks.addTask { [grants] in await grants.follow(changed) }
            tasks.addTask { [namespaces] in await namespaces.follow(changed) }
            await tasks.waitForAll()
        }
    }
}
