import CloudAPI
import JSON

/// What a cloud controller does about the load balancer of one service.
struct BalancerAffairs: Hashable {
    /// The balancer as it should be, if it is not.
    private(set) var put: CloudLoadBalancer?
    private(set) var isDeleted = false
    /// The finalizers that the service should have, if it has others.
    private(set) var finalizers: [String]?
    /// The addresses that its status should tell, if it tells others.
    private(set) var ingress: [String]?
    private(set) var events: [ControllerEvent] = []

    /// - Parameters:
    ///   - nodes: All nodes; those that are ready become targets.
    ///   - present: The balancer that the cloud has for the service.
    init(_ service: BalancedService, nodes: [KubeNode], present: CloudLoadBalancer?) {
        let subject = ControllerEvent.Subject.service(service.name)
        let hasFinalizer = service.finalizers.contains(BalancedService.finalizer)
        guard service.isLoadBalancer, service.loadBalancerClass.isEmpty, !service.isTerminating else {
            guard hasFinalizer || present != nil else { return }
            isDeleted = present != nil
            if hasFinalizer { finalizers = service.finalizers.filter { $0 != BalancedService.finalizer } }
            if !service.ingress.isEmpty, !service.isTerminating { ingress = [] }
            events = [
                .normal(subject, "DeletingLoadBalancer", "Deleting load balancer"),
                .normal(subject, "DeletedLoadBalancer", "Deleted load balancer"),
            ]
            return
        }
        if let port = service.ports.first(where: { CloudLoadBalancer.Listener.Transport(rawValue: $0.transport) == nil }
        ) {
            events = [
                Self.refusal(
                    of: service, "protocol \(port.transport) is not supported by the lab's load balancers")
            ]
            return
        }
        guard service.unsupported.isEmpty else {
            events = [
                Self.refusal(of: service, "\(service.unsupported) is not supported by the lab's load balancers")
            ]
            return
        }
        guard service.ports.allSatisfy({ $0.nodePort != 0 && $0.port != 0 }) else { return }
        if !hasFinalizer { finalizers = service.finalizers + [BalancedService.finalizer] }
        let targets = nodes.filter(Self.isTarget).compactMap { node in
            node.addresses.first { $0.type == "InternalIP" }.map { CloudLoadBalancer.Target(address: $0.address) }
        }
        let wanted = CloudLoadBalancer(
            name: service.balancer,
            listeners: service.ports.map {
                .init(.init(rawValue: $0.transport) ?? .tcp, port: $0.port, targetPort: $0.nodePort)
            },
            targets: targets.sorted { $0.address < $1.address },
            healthPort: service.healthCheckPort == 0 ? nil : service.healthCheckPort)
        guard let present else {
            put = wanted
            events = [.normal(subject, "EnsuringLoadBalancer", "Ensuring load balancer")]
            return
        }
        if present.listeners != wanted.listeners || present.healthPort != wanted.healthPort
            || present.targets.map(\.address) != wanted.targets.map(\.address)
        {
            put = wanted
            events = [.normal(subject, "UpdatedLoadBalancer", "Updated load balancer with new hosts")]
        }
        if service.ingress != [present.address] {
            ingress = [present.address]
            events.append(.normal(subject, "EnsuredLoadBalancer", "Ensured load balancer"))
        }
    }

    /// The event of a service that gets no load balancer, or keeps the one that it had.
    static func refusal(of service: BalancedService, _ reason: String) -> ControllerEvent {
        .warning(
            .service(service.name), "SyncLoadBalancerFailed",
            "Error syncing load balancer: failed to ensure load balancer: \(reason)")
    }

    private static func isTarget(_ node: KubeNode) -> Bool {
        node.isReady && !node.isTerminating && !node.isUnschedulable
            && node.labels["node.kubernetes.io/exclude-from-external-load-balancers"] == nil
            && !node.has(.uninitialized)
    }

    var statusPatch: JSONValue? {
        ingress.map { addresses in
            let list: JSONValue = .array(addresses.map { .object(["ip": .string($0)]) })
            return .object(["status": .object(["loadBalancer": .object(["ingress": addresses.isEmpty ? .null : list])])]
            )
        }
    }
}
