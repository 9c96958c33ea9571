import AgentAPI
import ClusterClient
import KubeClient
import KubeObjects
import LinuxKernel
import NetAddress
import ServedObjects
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Agent {
    /// Follows the API server and writes to it, from now on.
    func followServer() {
        guard let server else { return }
        do {
            let isKnown = try withCore { core in try core.store.knowsServer() }
            server.state.withLock { $0.isKnown = isKnown }
        } catch {
            Log.error("cannot read what is known of the API server", ["error": "\(error)"])
        }
        Task { await server.follower.run() }
        Task { await self.takeChanges(server) }
        Task { await self.writeEndpoints(server) }
        Task { await self.writeNode(server) }
        Task { await Self.readVersion(server) }
        server.look()
    }

    // MARK: What the server tells

    private func takeChanges(_ server: ServerLink) async {
        var backoff = Backoff()
        for await _ in server.changes.calls {
            var pause = ServerLink.spacing
            do {
                try await onOwnThread("cluster") { try self.takeBatch(server) }
                backoff.reset()
            } catch {
                Log.error("what the API server told is not taken over", ["error": "\(error)"])
                pause = backoff.next()
                server.changes.wake()
            }
            try? await Task.sleep(for: pause)
        }
    }

    private func takeBatch(_ server: ServerLink) throws {
        let batch = server.follower.take()
        do {
            if !batch.kinds.isDisjoint(with: ServiceMark.kinds) { try waitForServices() }
            try withCore { core in
                try core.take(batch)
                guard batch.peersChanged, let announcement = server.follower.announcement(for: core.own) else { return }
                try core.take(announcement)
                server.judgeRange(core.settings, announcement)
            }
        } catch {
            server.follower.putBack(batch)
            throw error
        }
        if !server.state.withLock({ $0.isKnown }), server.follower.missing.isEmpty {
            try withCore { core in try core.store.saveKnowsServer() }
            server.state.withLock { $0.isKnown = true }
            Log.info("everything is listed at the API server")
            verify()
        }
        server.look()
    }

    private static func readVersion(_ server: ServerLink) async {
        struct Version: Decodable {
            var major: String
            var minor: String
            var gitVersion: String
            var platform: String
        }
        var backoff = Backoff()
        while !Task.isCancelled {
            if let body = try? await server.client.ask(KubeRequest(path: "/version"), within: .seconds(10)),
                let version: Version = try? body.decoded()
            {
                let text = "\(version.major).\(version.minor) (\(version.gitVersion)) [\(version.platform)]"
                return server.state.withLock { $0.version = String(text.prefix(200)) }
            }
            try? await Task.sleep(for: backoff.next())
        }
    }

    // MARK: What is written

    private func writeEndpoints(_ server: ServerLink) async {
        let writer = EndpointWriter(server.client, nodeAddress: settings.config.nodeAddress)
        var backoff = Backoff()
        for await _ in server.endpoints.calls {
            guard let served = server.follower.endpoints, server.follower.knowsIdentities else { continue }
            do {
                let (local, refused) = try await endpointsWithIdentities(server)
                let failures = await writer.reconcile(local, served: served).merging(refused) { $1 }
                if let (key, reason) = failures.min(by: { $0.key < $1.key }) {
                    throw DatapathError.kernel("\(failures.count) endpoints, \(key): \(reason)")
                }
                server.note(nil, writing: "endpoints")
                backoff.reset()
            } catch {
                server.note("\(error)", writing: "endpoints")
                try? await Task.sleep(for: backoff.next())
                server.endpoints.wake()
            }
        }
    }

    /// Returns the node's endpoints, after each has the identity that the server has for its labels.
    ///
    /// - Returns: The endpoints, and why the server refused an identity to some of them. Their objects are left as they
    ///   are, and the others need not wait for them.
    private func endpointsWithIdentities(
        _ server: ServerLink
    ) async throws -> (endpoints: [LocalEndpoint], refused: [ObjectKey: String]) {
        let local = try await onOwnThread("endpoints") {
            try self.withCore { core -> [LocalEndpoint] in
                core.takePodLabels()
                return core.localEndpoints
            }
        }
        var mustChange = false
        var refused: [ObjectKey: String] = [:]
        for endpoint in local {
            var number = server.identities.number(of: endpoint.labels)
            if number.flatMap({ server.identities.served($0)?.labels }) != endpoint.labels {
                let own = server.identities.labels(of: endpoint.identity) == endpoint.labels
                do {
                    number = try await server.allocator.allocate(
                        endpoint.labels, preferring: own ? endpoint.identity : nil, within: ServerLink.identityPatience)
                } catch let failure as IdentityFailure
                    where failure.isRefusal && refused.count < ServerLink.mostRefusals
                {
                    refused[endpoint.key] = failure.description
                    continue
                }
            }
            if number != endpoint.identity { mustChange = true }
        }
        var endpoints = local
        if mustChange {
            endpoints = try await onOwnThread("endpoints") {
                try self.withCore { core -> [LocalEndpoint] in
                    try core.takeAllocatedIdentities()
                    return core.localEndpoints
                }
            }
        }
        return (endpoints.map { refused[$0.key] == nil ? $0 : $0.withoutPod }, refused)
    }

    private func writeNode(_ server: ServerLink) async {
        let writer = NodeWriter(server.client, nodeName: settings.config.nodeName)
        var backoff = Backoff()
        var written: (statement: NodeStatement, owner: String?)?
        for await _ in server.node.calls {
            do {
                let statement = try await onOwnThread("node") { try self.withCore { core in core.statement } }
                let node = server.follower.ownNode
                let owner = node?["metadata"]?["uid"]?.text
                let isServed = server.follower.ciliumNode(settings.config.nodeName).map(statement.isSaid(by:)) ?? false
                if !isServed || written?.statement != statement || written?.owner != owner {
                    try await writer.write(statement, owner: owner)
                    written = (statement, owner)
                }
                if let node, server.state.withLock({ $0.isReady }), NodeWriter.isUntold(node) {
                    try await writer.announceNetwork(node, time: Date.now.formatted(.iso8601))
                    Log.info("node has its network", ["node": settings.config.nodeName])
                }
                server.note(nil, writing: "node")
                backoff.reset()
            } catch {
                server.note("\(error)", writing: "node")
                try? await Task.sleep(for: backoff.next())
                server.node.wake()
            }
        }
    }
}

extension ServerLink {
    /// Notes whether the node's range is still its own.
    fileprivate func judgeRange(_ settings: AgentSettings, _ announcement: ClusterView.Announcement) {
        var problem = announcement.ownConflict
        let given = follower.ciliumNode(nodeName)?.podCIDRs ?? []
        let own = settings.podCIDR.description
        if problem == nil, settings.options.ipam.mode == .clusterPool, !given.isEmpty, !given.contains(own) {
            problem =
                "this node's pods are of \(own), and its CiliumNode now says \(given.joined(separator: ", ")); "
                + "restart the agent after its pods are gone"
        }
        let before = state.withLock { state in
            defer { state.rangeProblem = problem }
            return state.rangeProblem
        }
        if let problem, before != problem { Log.error("range of the node's pods", ["problem": problem]) }
    }
}

extension AgentCore {
    /// What the agent says of its node.
    var statement: NodeStatement {
        var node = CiliumNode(
            metadata: ObjectHead(name: settings.config.nodeName),
            addresses: [
                .init(type: "InternalIP", ip: settings.config.nodeAddress),
                .init(type: "CiliumInternalIP", ip: router.description),
            ], health: pool.health.description, bootID: settings.bootID)
        switch settings.options.ipam.mode {
        case .clusterPool: break
        case .kubernetes: node.podCIDRs = [settings.podCIDR.description]
        case .eni: break
        }
        var statement = NodeStatement(node)
        if let pool = pool.interfacePool {
            CloudStatement(pool, firstInterface: settings.options.eni.nodeSpec.firstInterfaceIndex, owners: owners)
                .add(to: &statement)
        }
        if settings.options.ipam.mode == .clusterPool { statement.rangeInUse = settings.podCIDR.description }
        return statement
    }
}

extension AgentCore {
    /// Who has each of the node's addresses: `default/web-1`, `router`, `health`.
    private var owners: [IPv4Address: String] {
        var owners = [router: "router", pool.health: "health"]
        for endpoint in endpoints.values where !endpoint.isHealth {
            if let address = IPv4Address(endpoint.address) {
                owners[address] = "\(endpoint.namespace)/\(endpoint.name)"
            }
        }
        return owners
    }
}

extension NodeStatement {
    /// Whether a CiliumNode says of the node what this says.
    fileprivate func isSaid(by served: CiliumNode) -> Bool {
        node.addresses == served.addresses && node.health == served.health
            && (node.podCIDRs.isEmpty || node.podCIDRs == served.podCIDRs)
    }
}
