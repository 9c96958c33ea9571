import KubeObjects
import ServiceHealth

/// Says at services' `healthCheckNodePort` whether the node has a pod of the service, as kube-proxy does.
final class HealthCheckFeature: DatapathFeature {
    let name = "service-health"
    /// Services change with their slices.
    let kinds: Set<ObjectKind> = [.services]

    private var checks: [ObjectKey: (port: UInt16, health: ServiceHealth)] = [:]
    private var server: ServiceHealthServer?

    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws { serve(delta[.services], core) }

    /// Brings the ports of services in line with what is known of them. While the services are not read yet, nothing is
    /// done: who reads them calls this for all.
    func serve(_ services: Set<ObjectKey>, _ core: borrowing AgentCore) {
        let feature = core.features.services
        guard feature.restoration == nil else { return }
        let (plan, objects) = (feature.plan(core), core.objects)
        for key in services {
            checks[key] = objects.services[key].flatMap { service in
                plan.health(of: service, feature.slices.slices(of: key).compactMap { objects.endpointSlices[$0] })
            }
        }
        guard server != nil || !checks.isEmpty else { return }
        let server =
            server
            ?? ServiceHealthServer { notice in
                switch notice {
                case .opened(let port): Log.info("health of a service is told", ["port": "\(port)"])
                case .failed(let port, let reason):
                    Log.warning("health of a service cannot be told", ["port": "\(port)", "error": reason])
                }
            }
        self.server = server
        server.serve(Dictionary(checks.values.map { ($0.port, $0.health) }) { first, _ in first })
    }
}
