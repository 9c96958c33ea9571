import CloudAPI
import Foundation
import JSON
import KubeClient
import LinuxKernel
import NetAddress
import ServerProgram
import Synchronization

/// Brings cluster and cloud together, again and again: after every change of an object, and every second, since the
/// cloud tells nothing by itself.
actor ControllerLoop {
    let client: KubeClient
    let cloud: any CloudOwner
    private let settings: CloudControllerSettings
    private let health: HealthPage
    private let pods: WatchedObjects<ScheduledPod>
    private let nodes: WatchedObjects<KubeNode>
    private let daemonSets: WatchedObjects<ScheduledPod>
    private let pools: WatchedObjects<NodePool>
    private let claims: WatchedObjects<NodeClaim>
    private let services: WatchedObjects<BalancedService>
    let nodeRanges: WatchedObjects<NodeRanges>
    private let gateways: WatchedGateways?
    /// The ranges of the cluster's pods; nil where their routes are none of the controller's business.
    private let routed: [IPv4CIDR]?

    private let changes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private var leads = false
    private var types: [CloudMachineType] = []
    private var problem: String?
    var memory = EventMemory()
    /// Claims that were made and that the watch has not shown yet.
    var made: [String: (claim: NodeClaim, at: Duration)] = [:]
    /// When the cloud said last that it has none left of a type.
    var exhausted: [String: Duration] = [:]
    /// Since when a claim's node has been empty.
    private var empty: [String: Duration] = [:]
    private var eventSerial: UInt64 = 0
    /// Whether the cloud has load balancers, as far as is known.
    var hasBalancers = true

    /// How long a type of which the cloud has none left is not asked for: 3 minutes, as in Karpenter.
    static let exhaustion = Duration.seconds(180)
    /// Objects change in bunches.
    private static let gathering = Duration.milliseconds(200)
    private static let interval = Duration.seconds(1)
    static let patience = Duration.seconds(10)

    init(_ client: KubeClient, cloud: any CloudOwner, settings: CloudControllerSettings, health: HealthPage) {
        self.client = client
        self.cloud = cloud
        self.settings = settings
        self.health = health
        pods = WatchedObjects(client, .pods, key: \.name) { try ScheduledPod($0) }
        nodes = WatchedObjects(client, .nodes, key: \.name) { try KubeNode($0) }
        daemonSets = WatchedObjects(client, .daemonSets, key: \.name) { try ScheduledPod(ofDaemonSet: $0) }
        pools = WatchedObjects(client, .nodePools, key: \.name) { try NodePool($0) }
        claims = WatchedObjects(client, .nodeClaims, key: \.name) { try NodeClaim($0) }
        services = WatchedObjects(client, .services, key: \.name) { try BalancedService($0) }
        nodeRanges = WatchedObjects(client, .ciliumNodes, key: \.name) { try NodeRanges($0) }
        gateways = settings.gateways == true ? WatchedGateways(client) : nil
        routed = settings.routedPods.map { $0.compactMap { IPv4CIDR(network: $0) } }
    }

    func lead(_ leads: Bool) {
        self.leads = leads
        changes.continuation.yield()
    }

    /// Follows the API server until the task is cancelled.
    func follow() async {
        let changed: @Sendable () -> Void = { [continuation = changes.continuation] in continuation.yield() }
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [nodes] in await nodes.follow(changed) }
            tasks.addTask { [services] in await services.follow(changed) }
            if routed != nil { tasks.addTask { [nodeRanges] in await nodeRanges.follow(changed) } }
            if let gateways { tasks.addTask { await gateways.follow(changed) } }
            if settings.autoscaler {
                tasks.addTask { [pods] in await pods.follow(changed) }
                tasks.addTask { [daemonSets] in await daemonSets.follow(changed) }
                tasks.addTask { [pools] in await pools.follow(changed) }
                tasks.addTask { [claims] in await claims.follow(changed) }
            }
            tasks.addTask {
                while !Task.isCancelled {
                    changed()
                    try? await Task.sleep(for: Self.interval)
                }
            }
            await tasks.waitForAll()
        }
    }

    /// Acts until the task is cancelled.
    func run() async {
        for await _ in changes.stream {
            guard !Task.isCancelled else { return }
            guard leads else {
                // One that does not lead is well.
                health.problem = nil
                continue
            }
            do {
                try await pass()
                told(nil)
            } catch {
                told("\(error)")
            }
            try? await Task.sleep(for: Self.gathering)
        }
    }

    private func told(_ problem: String?) {
        if problem != self.problem { log(problem.map { "cannot go on: \($0)" } ?? "goes on") }
        self.problem = problem
        health.problem = problem
    }

    // MARK: A pass

    private func pass() async throws {
        guard let view = try await view() else { return }
        health.count("labrun_cloud_controller_passes_total")
        // What the API server refuses of one object is no reason to leave the others alone.
        var refusal: KubeClientError?
        for node in view.nodes {
            do {
                try await attend(node, view)
            } catch let error as KubeClientError where error.status != nil {
                refusal = refusal ?? error
            }
        }
        do {
            if settings.autoscaler { try await scale(view) }
        } catch let error as KubeClientError where error.status != nil {
            refusal = refusal ?? error
        }
        do {
            if let routed { try await route(view, within: routed) }
        } catch let error as KubeClientError where error.status != nil {
            refusal = refusal ?? error
        }
        if let services = services.all {
            do {
                if let view = gateways?.view(services) { try await serve(view) }
            } catch let error as KubeClientError where error.status != nil {
                refusal = refusal ?? error
            }
            try await balance(services, view)
        }
        if let refusal { throw refusal }
    }

    /// What is known; nil as long as not all objects were listed.
    private func view() async throws -> ClusterView? {
        var view = ClusterView()
        guard let nodes = nodes.all else { return nil }
        view.nodes = nodes.sorted { $0.name < $1.name }
        if settings.autoscaler {
            guard let pods = pods.all, let daemonSets = daemonSets.all, let pools = pools.all, var claims = claims.all
            else { return nil }
            let now = now
            made = made.filter { name, one in
                now - one.at < .seconds(30) && !claims.contains { $0.name.name == name }
            }
            claims += made.values.map(\.claim)
            view.pods = pods
            view.daemonSets = daemonSets
            view.pools = pools
            view.claims = claims.sorted { $0.name < $1.name }
            exhausted = exhausted.filter { now - $0.value < Self.exhaustion }
            view.unavailable = Set(exhausted.keys)
        }
        if types.isEmpty { types = try await cloud.ask(AccountRequest(.describeInstanceTypes)).types ?? [] }
        view.types = types
        view.machines = try await cloud.ask(AccountRequest(.describeInstances)).machines ?? []
        return view
    }

    private func attend(_ node: KubeNode, _ view: ClusterView) async throws {
        let machine = view.machines.first { machine in
            node.providerID.isEmpty
                ? machine.node == node.name.name && machine.state != .terminated
                : machine.providerID == node.providerID
        }
        let affairs = NodeAffairs(node, machine: machine)
        if let change = affairs.change {
            try await write {
                try await self.client.patch(
                    .nodes, name: node.name.name, .merge, KubeBody(change.patch), within: Self.patience)
            }
        }
        if let patch = affairs.statusPatch {
            try await write {
                try await self.client.patch(
                    .nodes, name: node.name.name, subresource: "status", .strategicMerge, KubeBody(patch),
                    within: Self.patience)
            }
        }
        await tell(affairs.events, by: affairs.isGone ? "cloud-node-lifecycle-controller" : "cloud-node-controller")
        if affairs.isGone {
            log("\(node.name) has no machine any more, and is deleted")
            try await write {
                try await self.client.delete(
                    .nodes, name: node.name.name, uid: node.name.uid, within: Self.patience)
            }
        }
    }

    private func scale(_ view: ClusterView) async throws {
        let provisioning = Provisioning(view, suffix: Self.suffix)
        var refusal: KubeClientError?
        var refused: Set<ObjectName> = []
        for (name, plan) in provisioning.claims {
            do {
                try await make(plan, name)
            } catch let error as KubeClientError where error.status != nil {
                // A label of the pool that is none, for example. Karpenter tells its log alone.
                refusal = refusal ?? error
                refused.formUnion(plan.pods)
                let reason = error.status?.message ?? "\(error)"
                let events = plan.pods.map { pod in
                    ControllerEvent.warning(
                        .pod(pod), "FailedScheduling", "Failed to schedule pod, creating nodeclaim, \(reason)")
                }
                await tell(events, by: "karpenter")
            }
        }
        let events = provisioning.events.filter { event in !refused.contains { event.subject == .pod($0) } }
        await tell(events, by: "karpenter")
        let now = now
        for claim in view.claims {
            let node = view.node(of: claim)
            let isBusy =
                node.map { node in
                    view.pods(on: node).contains { !$0.isOver && !$0.isOfNode }
                } ?? true
            if isBusy || provisioning.nominated.contains(claim.name.name) || !claim.isTrue(.initialized) {
                // A pod that is to come needs a moment until the scheduler has seen the node.
                empty[claim.name.name] = nil
            } else if empty[claim.name.name] == nil {
                empty[claim.name.name] = now
            }
            let step = ClaimStep(
                claim, in: view, age: Self.age(claim.created), emptySince: empty[claim.name.name].map { now - $0 },
                time: Self.timestamp())
            do {
                try await carryOut(step, claim)
            } catch let error as KubeClientError where error.status != nil {
                refusal = refusal ?? error
            }
        }
        empty = empty.filter { name, _ in view.claims.contains { $0.name.name == name } }
        if let refusal { throw refusal }
    }

    // MARK: Writing

    /// Makes a request. That an object has gone or changed meanwhile is no failure: the next pass sees it.
    func write(_ request: () async throws -> Void) async throws {
        do {
            try await request()
        } catch let error as KubeClientError where error.status?.isNotFound == true || error.status?.code == 409 {
            return
        }
    }

    /// Writes events that were not written a moment ago. One that cannot be written is lost, as any other controller's.
    func tell(_ events: [ControllerEvent], by component: String) async {
        for event in memory.fresh(events, at: now) {
            log("\(event.subject.kind) \(event.subject.name) \(event.reason): \(event.message)")
            eventSerial &+= 1
            let serial = String(UInt64(Date().timeIntervalSince1970 * 1_000_000) &+ eventSerial, radix: 16)
            let object = event.object(component: component, time: Self.timestamp(), serial: serial)
            let namespace = event.subject.name.namespace.isEmpty ? "default" : event.subject.name.namespace
            do {
                try await client.create(
                    .events, namespace: namespace, KubeBody(object), within: Self.patience)
            } catch {
                log("an event is lost: \(error)")
            }
        }
    }

    var now: Duration { .nanoseconds(MonotonicTime.now.nanoseconds) }

    /// Now, as `metav1.Time` has it.
    static func timestamp() -> String { Date().formatted(.iso8601) }

    /// The time since a timestamp; zero for what is none.
    private static func age(_ timestamp: String) -> Duration {
        guard let date = try? Date(timestamp, strategy: .iso8601) else { return .zero }
        return .seconds(max(0, Date().timeIntervalSince(date)))
    }

    /// The end of a generated name, as the API server's.
    private static func suffix() -> String {
        let letters = Array("bcdfghjklmnpqrstvwxz2456789")
        return String((0..<5).map { _ in letters[Int.random(in: 0..<letters.count)] })
    }
}
