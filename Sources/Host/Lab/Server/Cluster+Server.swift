import KubeObjects
import NodeProtocol
import Scenario

extension PlannedPod {
    /// The pod as its node's runtime knows it.
    var reference: PodReference { PodReference(namespace: namespace, name: ownName ?? name) }
}

extension Cluster {
    /// Begins to follow the API server, and to tell the agents what it has.
    ///
    /// - Throws: `LabError`, `ObjectRefusal`.
    public func followServer(within limit: Duration) async throws {
        guard let server else { return }
        try await server.follow(within: limit)
        try await installAgents(within: limit)
        let task = Task { [weak self] in
            var addresses: Set<String> = []
            for await _ in server.changes {
                guard let self, !Task.isCancelled else { return }
                await self.tell(server, &addresses)
            }
        }
        following.withLock { $0 = task }
    }

    /// Tells the agents the objects, and each other's pods if the addresses of pods are others than they were.
    private func tell(_ server: ServerStore, _ addresses: inout Set<String>) async {
        while !Task.isCancelled {
            do {
                let now = Set(await server.runningPods.map { "\($0.planned.reference) \($0.address)" })
                try await announceObjects()
                if now != addresses { try await announceEndpoints() }
                addresses = now
                return
            } catch {
                // An agent that is away hears of everything when it is back; others should not wait for it.
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Waits until every node of the lab is a node of the cluster, and ready.
    ///
    /// - Parameter quiet: The time without any change after which no more is to be expected.
    /// - Returns: The nodes that are not, with their kubelets' words.
    public func waitForKubeNodes(within limit: Duration, quiet: Duration) async throws -> [String] {
        guard let server else { return [] }
        let names = plan.nodes.map(\.name)
        let areReady = try await server.wait(within: limit, quiet: quiet) {
            await server.unready(names, within: .seconds(5)).isEmpty
        }
        return areReady ? [] : await server.unready(names, within: .seconds(5))
    }

    /// Waits until every workload of the API server has the pods that it should have, and each of these is ready.
    ///
    /// - Parameter quiet: The time without any change after which no more is to be expected.
    /// - Returns: What is not as it should be, in words; empty if everything is.
    public func settle(within limit: Duration, quiet: Duration) async throws -> [String] {
        guard let server else { return [] }
        let isSettled = try await server.wait(within: limit, quiet: quiet) {
            await server.unsettled(within: .seconds(5)).isEmpty
        }
        return isSettled ? [] : await server.unsettled(within: .seconds(5))
    }
}
