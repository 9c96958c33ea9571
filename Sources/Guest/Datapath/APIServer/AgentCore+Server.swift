import AgentAPI
import ClusterClient
import KubeObjects
import LinuxKernel
import NetAddress

extension AgentCore {
    /// Takes over what the API server told: all kinds first to disk and to memory, then once to the kernel.
    ///
    /// - Throws: What kept changes from being stored. Those that were stored are followed nevertheless.
    mutating func take(_ batch: ClusterBatch) throws {
        var delta = ObjectDelta()
        var failure: (any Error)?
        do {
            try absorb(batch.nodes, into: \.nodes, &delta)
            try absorb(batch.namespaces, into: \.namespaces, &delta)
            try absorb(batch.services, into: \.services, &delta)
            try absorb(batch.endpointSlices, into: \.endpointSlices, &delta)
            try absorb(batch.networkPolicies, into: \.networkPolicies, &delta)
            try absorb(batch.ciliumNetworkPolicies, into: \.ciliumNetworkPolicies, &delta)
            try absorb(batch.pods, into: \.pods, &delta)
        } catch {
            failure = error
        }
        // A service changes with its slices.
        delta[.services].formUnion(features.services.slices.follow(delta[.endpointSlices], objects.endpointSlices))
        if !delta.isEmpty || !missedObjects.isEmpty { followObjects(delta) }
        if delta.touches(Set(ServiceMark.kinds)) { features.services.mark(self) }
        if let failure { throw failure }
    }

    private mutating func absorb<Object: KubeObject>(
        _ pending: PendingChanges<Object>, into table: WritableKeyPath<ClusterObjects, [ObjectKey: Object]>,
        _ delta: inout ObjectDelta
    ) throws {
        if pending.isEmpty { return }
        let changes = pending.changes(from: objects[keyPath: table])
        if changes.isEmpty { return }
        try objectStore.append(changes, to: objects[keyPath: table])
        delta[Object.kind] = changes.apply(to: &objects[keyPath: table])
    }

    /// Takes over what the other agents tell of themselves.
    mutating func take(_ announcement: ClusterView.Announcement) throws {
        if announcement.nodes != cluster.nodes || announcement.entries != cluster.entries {
            var cluster = cluster
            cluster.nodes = announcement.nodes
            cluster.entries = announcement.entries
            try replaceCluster(cluster)
        }
        let problems = announcement.problems.joined(separator: "; ")
        if problems != objectProblems["cluster"] ?? "" {
            if !problems.isEmpty { Log.warning("nodes contradict each other", ["problems": problems]) }
            objectProblems["cluster"] = problems.isEmpty ? nil : problems
        }
    }

    /// The endpoints of this node's pods.
    var localEndpoints: [LocalEndpoint] {
        endpoints.values.filter { $0.phase == .ready && !$0.isHealth && !$0.namespace.isEmpty }.map { endpoint in
            let key = ObjectKey(namespace: endpoint.namespace, name: endpoint.name)
            return LocalEndpoint(
                key: key, id: endpoint.id, identity: endpoint.identity, labels: identityLabels(of: endpoint),
                address: endpoint.address, podUID: objects.pods[key]?.uid(on: settings.config.nodeName))
        }
    }

    /// Gives endpoints the labels that their pods have by now: somebody may have changed them since the runtime told of
    /// them. The state file follows with the identity, so that both are of one moment there.
    mutating func takePodLabels() {
        for endpoint in endpoints.values where !endpoint.isHealth {
            let pod = objects.pods[ObjectKey(namespace: endpoint.namespace, name: endpoint.name)]
            if let changed = endpoint.labelled(as: pod, on: settings.config.nodeName) {
                endpoints[endpoint.key] = changed
            }
        }
    }

    /// Gives endpoints the numbers that their labels have by now.
    mutating func takeAllocatedIdentities() throws {
        try deriveIdentitiesAgain()
        try reconcileIPCache()
        try enforcePolicies()
    }
}

extension Pod {
    /// The uid, if the pod is on a node. A pod of the same name on another node is another pod: that of a stateful set
    /// whose node was away, and whose containers are still here. Its object is the other agent's to write.
    func uid(on node: String) -> String? { spec.nodeName == node ? metadata.uid : nil }
}

extension EndpointRecord {
    /// The endpoint with its pod's labels. Nil if it has them already, or the pod is not on this node.
    func labelled(as pod: Pod?, on node: String) -> EndpointRecord? {
        guard let pod, pod.uid(on: node) != nil, pod.metadata.labels != labels else { return nil }
        var changed = self
        changed.labels = pod.metadata.labels
        return changed
    }
}
