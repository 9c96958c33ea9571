import KubeObjects
import NetAddress
import ServiceHealth

extension ServicePlan {
    /// The port at which the node tells of a service's health, and what it says; nil for a service whose pods all nodes
    /// may call, and for one that kube-proxy serves.
    ///
    /// - Parameter slices: The service's own slices.
    func health(of service: Service, _ slices: [EndpointSlice]) -> (port: UInt16, health: ServiceHealth)? {
        guard service.spec.type == .loadBalancer, service.spec.externalTrafficPolicy == .local,
            let port = service.spec.healthCheckNodePort, port != 0, kinds.contains(.loadBalancer)
        else { return nil }
        // A pod counts once, at however many ports it answers, and one that terminates does not.
        var addresses: Set<String> = []
        for slice in slices where slice.addressType == .ipv4 {
            for endpoint in slice.endpoints where endpoint.nodeName == nodeName && endpoint.conditions.isReady {
                addresses.formUnion(endpoint.addresses.prefix(1))
            }
        }
        return (
            port,
            ServiceHealth(
                namespace: service.key.namespace, name: service.key.name, localEndpoints: addresses.count)
        )
    }
}
