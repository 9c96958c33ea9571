import AgentAPI
import DatapathOptions
import KubeObjects
import NodeProtocol
import Scenario

extension PlannedPod {
    /// The pod as its node's runtime knows it.
    var reference: PodReference { PodReference(namespace: namespace, name: ownName ?? name) }
}

extension Cluster {
    /// Gives the API server what the lab's own programs need there: definitions, accounts, roles. Agents start when it
    /// is done.
    ///
    /// - Throws: `LabError`, `ObjectRefusal`.
    public func prepareServer(within limit: Duration) async throws {
        guard let server else { return }
        try await server.prepare(within: limit, gateways: plan.profile.controlPlane.gatewayController)
        await isServerPrepared.update { $0 = true }
    }

    /// Where an agent finds its API server, and its token for it; nil in a lab without a control plane. The options
    /// `k8sServiceHost` and `k8sServicePort` win over the lab's own address.
    func agentAccess(of node: ClusterNode, _ options: DatapathOptions) async throws -> APIServerAccess? {
        guard let server, let controlPlane else { return nil }
        let limit = Duration.seconds(90)
        guard await isServerPrepared.wait(within: limit, until: { $0 }) else {
            try Task.checkCancellation()
            throw LabError(
                .notReady, "\(node.name): the API server has no accounts and definitions for agents after \(limit)")
        }
        let admin = controlPlane.admin
        let host = options.k8sServiceHost.isEmpty ? admin.host : options.k8sServiceHost
        let port = options.k8sServicePort == 0 ? admin.port : options.k8sServicePort
        // A pod's token is a file of its own, which its kubelet renews.
        guard !isAgentInPod else {
            return APIServerAccess(
                host: host, port: port, authorityPEM: admin.authorityPEM, tokenFile: AgentDaemonSet.tokenFile)
        }
        var token = agentTokens.withLock { $0[node.name] }
        if token == nil {
            let new = try await server.agentToken(within: .seconds(30))
            agentTokens.withLock { $0[node.name] = new }
            token = new
        }
        return APIServerAccess(host: host, port: port, authorityPEM: admin.authorityPEM, token: token)
    }

    /// Begins to follow the API server.
    ///
    /// - Throws: `LabError`, `ObjectRefusal`.
    public func followServer(within limit: Duration) async throws {
        guard let server else { return }
        try await server.follow(within: limit)
        try await installAgents(within: limit)
        let task = Task { [weak self] in
            for await _ in server.changes {
                guard let self, !Task.isCancelled else { return }
                await self.tellOthers()
            }
        }
        following.withLock { $0 = task }
    }

    /// Tells kube-proxies and DNS servers, which are no clients of the API server.
    private func tellOthers() async {
        while !Task.isCancelled {
            do {
                return try await announceObjects()
            } catch let error as LabError where error.code == .plan {
                // What the lab's kube-proxy has no rules for stays so, and keeps everything else from being told.
                return failureLog.add(error)
            } catch {
                // A node that is away hears of everything when it is back; others should not wait for it.
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Waits until every node of the lab that is there, or each of some, is a node of the cluster, and ready.
    ///
    /// - Parameter quiet: The time without any change after which no more is to be expected.
    /// - Returns: The nodes that are not, with their kubelets' words.
    public func waitForKubeNodes(
        _ nodes: [String]? = nil, within limit: Duration, quiet: Duration
    ) async throws -> [String] {
        guard let server else { return [] }
        let names = nodes ?? presentNodes.map(\.name)
        let areReady = try await server.wait(within: limit, quiet: quiet) {
            await server.unready(names, within: .seconds(5)).isEmpty
        }
        return areReady ? [] : await server.unready(names, within: .seconds(5))
    }

    /// Waits until every workload of the API server has the pods that it should have, and each of these is ready, and
    /// then until every agent knows of them.
    ///
    /// - Parameters:
    ///   - quiet: The time without any change after which no more is to be expected.
    ///   - agents: How long agents are waited for.
    public func settle(
        within limit: Duration, quiet: Duration, agents: Duration = .seconds(10)
    ) async throws -> Settling {
        guard let server else { return Settling() }
        let isSettled = try await server.wait(within: limit, quiet: quiet) {
            // While a pod is known that may become ready, nothing has to be asked for.
            guard server.unreadyPods.allSatisfy(\.lacksImage) else { return false }
            return await server.unsettled(within: .seconds(5)).allSatisfy(\.lacksImage)
        }
        let left = await server.unsettled(within: .seconds(5))
        guard isSettled, left.isEmpty else { return Settling(left: left.map(\.words)) }
        var settling = Settling(podsReady: .now)
        settling.behind = try await waitForAgents(within: agents)
        if settling.behind.isEmpty { settling.agentsReady = .now }
        return settling
    }
}

/// How a change of the API server's objects came to rest.
public struct Settling: Sendable {
    /// What is not as it should be, in words; empty if everything is.
    public var left: [String] = []
    /// When all pods were ready; nil if they are not.
    public var podsReady: ContinuousClock.Instant?
    /// When every agent that is connected knew of everything; nil if one does not.
    public var agentsReady: ContinuousClock.Instant?
    /// Who still lacks what, in words.
    public var behind: [String] = []
}
