import CloudAPI
import JSON
import KubeClient

extension ControllerLoop {
    func balance(_ services: [BalancedService], _ view: ClusterView) async throws {
        let ours = services.filter { $0.isLoadBalancer || $0.finalizers.contains(BalancedService.finalizer) }
        guard !ours.isEmpty || hasBalancers else { return }
        let present = try await cloud.ask(AccountRequest(.describeLoadBalancers)).loadBalancers ?? []
        hasBalancers = !present.isEmpty
        for service in ours.sorted(by: { $0.name < $1.name }) {
            let own = present.first { $0.name == service.balancer }
            do {
                try await carryOut(BalancerAffairs(service, nodes: view.nodes, present: own), service)
            } catch let failure as CloudFailure {
                // A port that another balancer has, for example. Other services do not wait for it.
                await tell([BalancerAffairs.refusal(of: service, "\(failure)")], by: "service-controller")
            }
        }
        // What is left of a service that is gone.
        for balancer in present where !ours.contains(where: { $0.balancer == balancer.name }) {
            _ = try await cloud.ask(AccountRequest(.deleteLoadBalancer, loadBalancer: balancer))
        }
    }

    private func carryOut(_ affairs: BalancerAffairs, _ service: BalancedService) async throws {
        let (name, namespace) = (service.name.name, service.name.namespace)
        if let put = affairs.put {
            hasBalancers = true
            _ = try await cloud.ask(AccountRequest(.putLoadBalancer, loadBalancer: put))
        }
        if affairs.isDeleted {
            let balancer = CloudLoadBalancer(name: service.balancer, listeners: [], targets: [])
            _ = try await cloud.ask(AccountRequest(.deleteLoadBalancer, loadBalancer: balancer))
        }
        if let patch = affairs.statusPatch {
            try await write {
                try await client.patch(
                    .services, namespace: namespace, name: name, subresource: "status", .merge, KubeBody(patch),
                    within: Self.patience)
            }
        }
        if let finalizers = affairs.finalizers {
            let list: JSONValue = finalizers.isEmpty ? .null : .array(finalizers.map { .string($0) })
            try await write {
                try await client.patch(
                    .services, namespace: namespace, name: name, .merge,
                    KubeBody(.object(["metadata": .object(["finalizers": list])])), within: Self.patience)
            }
        }
        await tell(affairs.events, by: "service-controller")
    }
}
