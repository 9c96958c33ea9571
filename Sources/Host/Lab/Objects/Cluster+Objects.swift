import KubeObjects
import NodeProtocol
import Readings
import Scenario

extension Cluster {
    /// Applies objects and tells every running agent. A lab with a control plane has its server for it.
    /// - Throws: `LabError` `.plan` if a service asks for something that it cannot get.
    public func apply(_ objects: [ClusterObject]) async throws {
        try own.store.withLock { store in for object in objects { try store.apply(object) } }
        try await announceObjects()
        // The labels of a namespace are part of its pods' identities.
        if objects.contains(where: { $0.kind == .namespaces }) { try await announceEndpoints() }
    }

    public func delete(_ kind: ObjectKind, _ key: ObjectKey) async throws {
        own.store.withLock { $0.delete(kind, key) }
        try await announceObjects()
    }

    /// The cluster's objects in the form in which agents get them.
    public var objects: ClusterObjects {
        get async { await objectStore.objects }
    }

    /// Returns the addresses of the pods that may answer for a service's endpoints, by the endpoints' ids.
    public func backends(of endpoints: [Endpoint]) async -> [String: Set<String>] {
        let slices = Dictionary(grouping: await objects.endpointSlices.values) { $0.service }
        return endpoints.filter { $0.kind == .service }.reduce(into: [:]) { result, endpoint in
            let key = ObjectKey(
                namespace: endpoint.namespace ?? "", name: endpoint.labels[ServiceEndpoints.nameLabel] ?? "")
            let members = (slices[key] ?? []).flatMap(\.endpoints).filter(\.conditions.isServing)
            result[endpoint.id] = Set(members.flatMap(\.addresses))
        }
    }

    /// By `namespace/name` of each service, the addresses in its endpoint slices.
    public var serviceBackends: [String: Set<String>] {
        get async {
            let objects = await objects
            let slices = Dictionary(grouping: objects.endpointSlices.values) { $0.service }
            return Dictionary(
                objects.services.keys.map { key in
                    ("\(key)", Set((slices[key] ?? []).flatMap(\.endpoints).flatMap(\.addresses)))
                }
            ) { $0.union($1) }
        }
    }

    /// Tells every running agent those of the cluster's objects that it does not know yet, unless it asks an API server
    /// for them, and kube-proxies and DNS servers what concerns them.
    public func announceObjects() async throws {
        // One after the other: an older state must not come after a newer one.
        try await announcing.run { [self] in try await announce(await objects) }
    }

    private func announce(_ objects: ClusterObjects) async throws {
        if server == nil {
            try await onAll(await runningNodes()) { node in
                try await self.feed.push(objects, to: node, within: self.slack)
            }
        }
        try await updateKubeProxies(objects)
        try await updateDNS(ClusterDNS(objects: objects, upstream: plan.dnsAddress))
    }

    /// Gives every running DNS server the current names.
    private func updateDNS(_ dns: ClusterDNS) async throws {
        let hosts = dns.hosts
        for pod in await runningPods where pod.planned.servesDNS {
            guard let node = node(named: pod.planned.node), await node.state.isReady,
                await servedNames.value[pod.planned.endpointID] != hosts
            else { continue }
            let reference = pod.planned.reference
            // A server that cannot be reached reads the names when it is started again.
            try await node.call(.podExec(ClusterDNS.update(reference, hosts: hosts)), within: slack)
            await servedNames.update { $0[pod.planned.endpointID] = hosts }
        }
    }

    /// Runs a program of the userland in a running pod, or in the node's own network, and waits for it.
    /// - Throws: `LabError` `.plan` for an endpoint that is neither, or the node's error.
    public func execute(
        _ arguments: [String], in endpoint: String, input: String = "", within deadline: Duration = .seconds(10)
    ) async throws -> Executed {
        let pod = await runningPods.first { $0.planned.endpointID == endpoint }
        let name = pod?.planned.node ?? String(endpoint.drop { $0 != "/" }.dropFirst())
        guard let node = node(named: name), pod != nil || endpoint.hasPrefix("node/") else {
            throw LabError(.plan, "no pod and no node \(endpoint)")
        }
        let reference = pod?.planned.reference
        let command = PodExec(
            pod: reference, arguments: arguments, input: input, deadlineMillis: Int(deadline.inSeconds * 1000))
        guard case .executed(let executed) = try await node.call(.podExec(command), within: deadline + slack) else {
            throw LabError(.request, "\(endpoint) answered something else than the program's end")
        }
        return executed
    }
}
