import KubeObjects
import Observations
public import Scenario

extension Cluster {
    /// The nodes that are there. Others are planned, and have not joined or have left.
    public var presentNodes: [ClusterNode] { nodes.filter { membership.isPresent($0.name) } }

    public func isPresent(_ name: String) -> Bool { membership.isPresent(name) }

    /// The nodes that joined since the lab booted, with the times that are known of each by now.
    public var joins: [NodeJoin] { membership.joins }

    /// Powers on nodes that are not there, and brings them up as the first boot does. It returns when their agents are
    /// ready and all others know them. When their Node objects are Ready, and when the first pod runs on each, is noted
    /// in `joins`.
    ///
    /// - Parameter traits: Labels and taints with which they are registered besides those of the lab file.
    /// - Throws: `LabError` `.plan` if one of them is there already or is none of the lab's; otherwise why one did not
    ///   come up, and all of them are absent again. If the machines run, but agents in pods do not come or others cannot
    ///   be told, it throws as well, and the nodes are there.
    public func join(
        _ names: [String], with traits: NodeTraits? = nil, within deadline: Duration = .seconds(90)
    ) async throws {
        let joining = try names.map { name in
            guard let node = node(named: name) else { throw LabError(.plan, "no node \(name)") }
            return node
        }
        guard Set(names).count == names.count else { throw LabError(.plan, "a node joins twice: \(names)") }
        if let wrong = membership.begin(names, traits).first { throw LabError(.plan, "\(wrong) is there already") }
        do {
            try await onAll(joining) { node in
                try await self.bringUp(node, within: deadline) { self.note(\.runtime, of: node.name) }
                if await node.state.isReady { self.note(\.agent, of: node.name) }
                self.watch(node)
            }
        } catch {
            // One that somebody has ended meanwhile is absent already.
            for name in names { _ = membership.end([name]) }
            for node in joining { try? await cut(node) }
            throw error
        }
        let ended = membership.arrive(names)
        guard ended.isEmpty else {
            for name in ended { if let node = node(named: name) { try? await cut(node) } }
            throw LabError(.request, "\(ended.joined(separator: ", ")) left while joining")
        }
        // Agents that are a DaemonSet's pods come when the control plane has bound them.
        try await waitForAgentPods(within: deadline)
        for node in joining where await node.state.isReady { note(\.agent, of: node.name) }
        try await announceNodes()
        try await announceEndpoints()
        try await announceObjects()
        try await waitForAgents(within: .seconds(30))
    }

    /// Ends the membership of nodes: their power is cut, without any farewell, and nothing is drained. With a control
    /// plane their Node objects are deleted; the pods that it still has there go when its collector finds them. Without
    /// one, their pods are gone, and those that are not tied to the node are made anew by whoever places pods.
    ///
    /// - Throws: `LabError` `.plan` if one of them is not there, or all would leave; `ObjectRefusal` if the API server
    ///   did not delete a Node object, after everything else was done.
    public func leave(_ names: [String]) async throws {
        let leaving = try names.map { name in
            guard let node = node(named: name) else { throw LabError(.plan, "no node \(name)") }
            return node
        }
        guard presentNodes.contains(where: { !names.contains($0.name) }) else {
            throw LabError(.plan, "no node would be left")
        }
        if let wrong = membership.end(names).first { throw LabError(.plan, "\(wrong) is not there") }
        try await onAll(leaving) { try await self.cut($0) }
        for name in names { await forget(name) }
        try await announceNodes()
        try await announceEndpoints()
        try await announceObjects()
        guard let server else { return }
        var refusal: ObjectRefusal?
        for name in names {
            let node = ObjectQuery(apiVersion: "v1", kind: "Node", namespace: nil, name: name)
            do {
                if case .absent = await server.reading(of: node, within: .seconds(10)) { continue }
                try await server.delete(node, within: .seconds(30))
            } catch let error as ObjectRefusal {
                // A cloud controller may have deleted it meanwhile.
                if case .absent = await server.reading(of: node, within: .seconds(10)) { continue }
                refusal = refusal ?? error
            }
        }
        if let refusal { throw refusal }
        try await waitForAgents(within: .seconds(30))
    }

    /// Brings back the nodes that were there when the lab booted, and no others, and forgets who joined.
    public func restoreMembership() async throws {
        let initial = plan.profile.initialNodeNames
        let present = presentNodes.map(\.name)
        let missing = initial.filter { !present.contains($0) }
        if !missing.isEmpty { try await join(missing) }
        let surplus = present.filter { !initial.contains($0) }
        if !surplus.isEmpty { try await leave(surplus) }
        membership.forgetJoins()
    }

    /// Cuts a node's power, if it has any.
    private func cut(_ node: ClusterNode) async throws {
        let power = try await node.machine.power()
        guard power == .running || power == .paused else { return }
        try await node.machine.stop()
        try await node.wait(for: "stopped", within: slack) { $0.power == .stopped }
    }

    /// Forgets what the harness knows of a node that is gone.
    private func forget(_ name: String) async {
        await feed.forget(name)
        await kubeProxy.update { $0.applied[name] = nil }
        knownEntries.withLock { $0[name] = nil }
        let lost = await own.pods.value.filter { $0.planned.node == name }.map(\.planned.endpointID)
        await own.pods.update { $0.removeAll { $0.planned.node == name } }
        own.waiting.withLock { waiting in waiting = waiting.filter { $0.value.planned.node != name } }
        await servedNames.update { names in for id in lost { names[id] = nil } }
    }

    // MARK: Times

    func note(_ field: WritableKeyPath<NodeJoin, Double?> & Sendable, of name: String) {
        guard let join = membership.joins.first(where: { $0.node == name }) else { return }
        membership.note((ContinuousClock.now - join.began).inSeconds, field, of: name)
    }

    /// Notes that a pod runs on a node, which may be the first one since it joined.
    func noteFirstPod(on name: String) { note(\.firstPod, of: name) }

    /// Follows, in a lab with a control plane, how a node that joins becomes Ready and gets its first pod.
    private func watch(_ node: ClusterNode) {
        guard let server else { return }
        let name = node.name
        let limit = Duration.seconds(900)
        let ready = Task { [weak self] in
            let isReady = try? await server.wait(within: limit, quiet: limit) {
                await server.unready([name], within: .seconds(5)).isEmpty
            }
            if isReady == true { self?.note(\.nodeReady, of: name) }
        }
        let pod = Task { [weak self] in
            let hasPod = try? await server.wait(within: limit, quiet: limit) {
                // A pod of before the node left runs by its old status until the kubelet has told another one.
                guard await node.state.isReady else { return false }
                return await server.runningPods.contains { $0.planned.node == name && !$0.isOnHost }
            }
            if hasPod == true { self?.note(\.firstPod, of: name) }
        }
        membership.watch(name, ready)
        membership.watch(name, pod)
    }
}
