import KubeObjects
import Readings

/// Where services can be reached, as endpoints of the matrix. It has no side effects, so that a file is checked,
/// explained and run by the same rule.
public enum ServiceEndpoints {
    /// The label that holds the service's name on the service's endpoints.
    public static let nameLabel = EndpointSlice.serviceNameLabel
    /// Label that says which of its addresses it is: `cluster-ip`, `node-port`, `external-ip`.
    public static let viaLabel = "labrun.dev/via"

    /// Every port of every service at each of its addresses: `service/default/web:http` at the service's own,
    /// `nodeport/node1/default/web:http` at each node, `externalip/10.0.9.9/default/web:http` at the others. A port has
    /// its number in place of a name. Headless services and those that are other names have no address.
    ///
    /// - Parameter nodes: names and addresses.
    public static func endpoints(
        of services: some Collection<Service>, nodes: [(name: String, address: String)]
    ) -> [Endpoint] {
        services.sorted { $0.key < $1.key }.flatMap { service -> [Endpoint] in
            guard !service.isHeadless, service.spec.type != .externalName else { return [] }
            return service.spec.ports.flatMap { port -> [Endpoint] in
                guard let proto = ProbeProtocol(rawValue: port.protocol.rawValue.lowercased()) else { return [] }
                let name = "\(service.key):\(port.name.flatMap { $0.isEmpty ? nil : $0 } ?? "\(port.port)")"
                func endpoint(_ id: String, _ via: String, _ node: String?, _ address: String, _ port: UInt16)
                    -> Endpoint
                {
                    Endpoint(
                        id: id, kind: .service, node: node, namespace: service.metadata.namespace, address: address,
                        port: port,
                        labels: service.metadata.labels.merging(
                            [nameLabel: service.metadata.name, viaLabel: via]) { $1 },
                        protocol: proto)
                }
                var all = [
                    endpoint("service/\(name)", "cluster-ip", nil, service.clusterAddresses.first ?? "", port.port)
                ]
                if service.spec.type == .nodePort || service.spec.type == .loadBalancer {
                    all += nodes.map {
                        endpoint("nodeport/\($0.name)/\(name)", "node-port", $0.name, $0.address, port.nodePort ?? 0)
                    }
                }
                all += (service.spec.externalIPs + service.loadBalancerAddresses).map {
                    endpoint("externalip/\($0)/\(name)", "external-ip", nil, $0, port.port)
                }
                return all
            }
        }
    }
}
