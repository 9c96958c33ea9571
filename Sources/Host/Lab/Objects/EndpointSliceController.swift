import Digest
import KubeObjects

/// Makes the slices of pods for every service with a selector, as Kubernetes' endpoint slice controller does. It has no
/// side effects.
public enum EndpointSliceController {
    /// Kubernetes' default.
    public static let endpointsPerSlice = 100
    static let name = "endpointslice-controller.k8s.io"

    /// Returns the slices of all services. Services without a selector and those of type ExternalName have none.
    ///
    /// - Parameter terminating: Pods that are going away. They serve their connections and are not ready for more.
    public static func slices(
        services: some Collection<Service>, pods: some Collection<Pod>, terminating: Set<ObjectKey> = []
    ) -> [EndpointSlice] {
        let byNamespace = Dictionary(grouping: pods.filter { $0.status.podIP != nil }) { $0.metadata.namespace }
        return services.sorted { $0.key < $1.key }.flatMap { service -> [EndpointSlice] in
            guard !service.spec.selector.isEmpty, service.spec.type != .externalName else { return [] }
            let selector = LabelSelector(matchLabels: service.spec.selector)
            let selected = (byNamespace[service.metadata.namespace] ?? [])
                .filter { selector.matches($0.metadata.labels) }.sorted { $0.key < $1.key }
            return slices(of: service, selected, terminating)
        }
    }

    /// Pods whose named ports have different numbers are in slices of their own.
    private static func slices(
        of service: Service, _ pods: [Pod], _ terminating: Set<ObjectKey>
    ) -> [EndpointSlice] {
        var groups: [(ports: [EndpointSlice.Port], pods: [Pod])] = []
        for pod in pods {
            let ports = service.spec.ports.compactMap { port -> EndpointSlice.Port? in
                let number =
                    port.targetPort.port
                    ?? port.targetPort.name.flatMap { pod.port(named: $0, protocol: port.protocol) }
                return number.map { EndpointSlice.Port(name: port.name ?? "", protocol: port.protocol, port: $0) }
            }
            // A pod without the named port is no endpoint of that port. A pod without any of the ports is no endpoint.
            if ports.isEmpty, !service.spec.ports.isEmpty { continue }
            if let index = groups.firstIndex(where: { $0.ports == ports }) {
                groups[index].pods.append(pod)
            } else {
                groups.append((ports, [pod]))
            }
        }
        return groups.flatMap { group in
            stride(from: 0, to: group.pods.count, by: endpointsPerSlice).map { start in
                let members = group.pods[start..<min(start + endpointsPerSlice, group.pods.count)]
                return EndpointSlice(
                    metadata: ObjectMeta(
                        name: name(service, group.ports, start / endpointsPerSlice),
                        namespace: service.metadata.namespace,
                        labels: [
                            EndpointSlice.serviceNameLabel: service.metadata.name, EndpointSlice.managedByLabel: name,
                        ]),
                    endpoints: members.map { endpoint($0, service, isTerminating: terminating.contains($0.key)) },
                    ports: group.ports)
            }
        }
    }

    private static func endpoint(_ pod: Pod, _ service: Service, isTerminating: Bool) -> EndpointSlice.Endpoint {
        let serving = pod.isReady
        let ready = service.spec.publishNotReadyAddresses == true || serving && !isTerminating
        return EndpointSlice.Endpoint(
            addresses: pod.status.podIP.map { [$0] } ?? [],
            conditions: .init(ready: ready, serving: serving, terminating: isTerminating),
            nodeName: pod.spec.nodeName,
            targetRef: .init(kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name))
    }

    /// The slice's name, such as `web-3f2a1`. It depends only on the ports, so that a change of pods changes a slice
    /// and makes no new one.
    private static func name(_ service: Service, _ ports: [EndpointSlice.Port], _ index: Int) -> String {
        let text = ports.map { "\($0.name ?? "")/\($0.protocol.rawValue)/\($0.port ?? 0)" }.joined(separator: ",")
        let digest = SHA256Digest.hex(of: Array("\(text)#\(index)".utf8))
        return "\(service.metadata.name)-\(digest.prefix(5))"
    }
}
