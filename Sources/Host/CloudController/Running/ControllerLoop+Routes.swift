import CloudAPI
import KubeClient
import NetAddress
import ServerProgram

extension ControllerLoop {
    /// Makes the routes of pods' ranges, and takes those away that lead to nobody.
    ///
    /// - Parameter cluster: The ranges of the cluster's pods.
    func route(_ view: ClusterView, within cluster: [IPv4CIDR]) async throws {
        guard let ranges = nodeRanges.all else { return }
        let present = try await cloud.ask(AccountRequest(.describeRouteTables)).routes ?? []
        let affairs = RouteAffairs(
            nodes: view.nodes, ranges: Dictionary(ranges.map { ($0.name.name, $0.podCIDRs) }) { $1 },
            machines: view.machines, present: present, cluster: cluster)
        for route in affairs.deletions {
            log("deletes the route to \(route.destination)")
            do {
                _ = try await cloud.ask(AccountRequest(.deleteRoute, route: route))
            } catch let failure as CloudFailure where failure.code == .invalidRouteNotFound {
                continue
            }
        }
        var events = affairs.events
        var failed = affairs.refused
        for creation in affairs.creations {
            do {
                _ = try await cloud.ask(AccountRequest(.createRoute, route: creation.route))
                log("node \(creation.node) has a route to \(creation.route.destination)")
            } catch let failure as CloudFailure {
                failed.insert(creation.node)
                events.append(RouteAffairs.failure(creation.node, creation.route, failure.description))
            }
        }
        await tell(events, by: "route_controller")
        let routed = Set(affairs.routed + affairs.creations.map(\.node)).subtracting(failed)
        for node in view.nodes where routed.contains(node.name) || failed.contains(node.name) {
            let isRouted = routed.contains(node.name)
            let patch = RouteAffairs.condition(node, isRouted: isRouted, time: Self.timestamp())
            guard let patch else { continue }
            try await write {
                try await client.patch(
                    .nodes, name: node.name.name, subresource: "status", .strategicMerge, KubeBody(patch),
                    within: Self.patience)
            }
        }
    }
}
