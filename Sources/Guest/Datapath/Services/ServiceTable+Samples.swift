import AgentAPI
import LinuxKernel

extension ServiceTable {
    /// What the agent has in the kernel, in the order of the frontends.
    var samples: [ServiceSample] {
        frontends.sorted { $0.key < $1.key }.map { end, frontend in sample(end, frontend, backends) }
    }

    /// Reads the maps from the kernel.
    func loadBalancing() throws(SystemError) -> LoadBalancingSample {
        let (frontends, known) = try readMaps()
        let ends = known.mapValues(\.end)
        return LoadBalancingSample(
            frontends: frontends.sorted { $0.key < $1.key }.map { end, frontend in sample(end, frontend, ends) },
            draining: known.filter { !$0.value.isActive }.sorted { $0.key < $1.key }
                .map { ServiceSample.Backend(number: $0.key, address: $0.value.end.description) })
    }

    private func sample(
        _ end: ServiceEnd, _ frontend: ServiceMaps.Frontend, _ backends: [UInt32: ServiceEnd]
    ) -> ServiceSample {
        let plan = plans[end]
        return ServiceSample(
            index: frontend.index, frontend: end.description, type: plan?.kind.rawValue,
            namespace: plan?.service.namespace, name: plan?.service.name, affinitySeconds: frontend.affinitySeconds,
            backends: frontend.backends.map { number in
                ServiceSample.Backend(number: number, address: backends[number]?.description ?? "gone")
            })
    }
}
