public import AgentAPI
import JSON
public import KubeClient
public import KubeObjects
import LinuxKernel
public import ServedObjects
import Synchronization

/// Follows everything that an agent needs to know of its cluster at the API server, and keeps what changed until the
/// agent takes it.
///
/// While the server cannot be asked, everything is as it was known last.
public final class ClusterFollower: Sendable {
    /// What a reader of the follower may want to react to.
    public enum Notice: Sendable, Equatable {
        /// There is something to take.
        case changed
        /// The server cannot be asked any more.
        case lost(kind: FollowedKind, reason: String)
        /// Everything is followed again, or for the first time, after so long.
        case connected(after: Duration)
        /// The server has an object that cannot be read. What was known of it stays.
        case unreadable(kind: FollowedKind, KubeUnreadable)
    }

    public let client: KubeClient
    public let identities: IdentityTable
    private let nodeName: String
    private let settings: ReflectorSettings
    private let state: Mutex<State>
    private let told: @Sendable (Notice) -> Void

    private struct State {
        var batch = ClusterBatch()
        var view = ClusterView()
        /// The own node's object as the server has it; nil until it was seen, and while there is none.
        var node: JSONValue?
        var listed: Set<FollowedKind> = []
        var connected: Set<FollowedKind> = []
        /// Why kinds are not followed.
        var silent: [FollowedKind: String] = [:]
        var isConnected = false
        /// The kinds of which nothing must be missed: those that an agent needs, and those that were there once.
        var wanted: Set<FollowedKind> { FollowedKind.needed.union(listed) }
        var since = MonotonicTime.now
        var (lists, watches, events, unreadable) = (0, 0, 0, 0)
        var lastUnreadable: String?
    }

    /// - Parameters:
    ///   - nodeName: The agent's own node.
    ///   - told: Takes notices. It is called on any thread and must not block.
    public init(
        _ client: KubeClient, nodeName: String, identities: IdentityTable,
        settings: ReflectorSettings = ClusterFollower.settings, told: @escaping @Sendable (Notice) -> Void
    ) {
        self.client = client
        self.nodeName = nodeName
        self.identities = identities
        self.settings = settings
        self.told = told
        state = Mutex(State())
    }

    /// How an agent follows: it is back soon after a server is, and many agents come back at different moments.
    public static var settings: ReflectorSettings {
        var settings = ReflectorSettings()
        settings.longestPause = .seconds(3)
        return settings
    }

    /// Follows until the task is cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            for kind in FollowedKind.allCases { group.addTask { await self.follow(kind) } }
            await group.waitForAll()
        }
    }

    // MARK: Following

    private func follow(_ kind: FollowedKind) async {
        guard let resource = await resource(of: kind) else { return }
        switch kind {
        case .nodes:
            let own = nodeName
            await follow(kind, resource, { try self.node($0) }) { state, unreadable, change in
                switch change {
                case .listed(let nodes):
                    state.batch.nodes.list(nodes, unreadable: unreadable)
                    let isThere =
                        nodes.contains { $0.metadata.name == own } || unreadable.contains { $0.name == own }
                    if !isThere { state.node = nil }
                case .set(let node): state.batch.nodes.set(node)
                case .gone(let node):
                    state.batch.nodes.remove(node.key)
                    if node.metadata.name == own { state.node = nil }
                }
            }
        case .namespaces: await follow(kind, resource, \.namespaces) { try ServedJSON.object($0) }
        case .pods: await follow(kind, resource, \.pods) { try ServedJSON.object($0) }
        case .services: await follow(kind, resource, \.services) { try ServedJSON.object($0) }
        case .endpointSlices: await follow(kind, resource, \.endpointSlices) { try ServedJSON.slice($0) }
        case .networkPolicies: await follow(kind, resource, \.networkPolicies) { try ServedJSON.object($0) }
        case .ciliumNetworkPolicies:
            await follow(kind, resource, \.ciliumNetworkPolicies) { try ServedJSON.object($0) }
        case .ciliumNodes:
            await follow(kind, resource, { try CiliumNode($0) }) { state, unreadable, change in
                switch change {
                case .listed(let nodes): state.view.listNodes(nodes, unreadable: unreadable)
                case .set(let node): state.view.set(node)
                case .gone(let node): state.view.removeNode(node.metadata.name)
                }
                state.batch.peersChanged = true
            }
        case .ciliumEndpoints:
            await follow(kind, resource, { try CiliumEndpoint($0) }) { state, unreadable, change in
                switch change {
                case .listed(let endpoints): state.view.listEndpoints(endpoints, unreadable: unreadable)
                case .set(let endpoint): state.view.set(endpoint)
                case .gone(let endpoint): state.view.removeEndpoint(endpoint.key)
                }
                state.batch.peersChanged = true
            }
        case .ciliumIdentities:
            let identities = identities
            await follow(kind, resource, { try CiliumIdentity($0) }) { state, unreadable, change in
                switch change {
                case .listed(let list):
                    identities.list(list, unreadable: Set(unreadable.compactMap { UInt32($0.name) }))
                case .set(let identity): identities.set(identity)
                case .gone(let identity): identities.remove(identity.number)
                }
                state.batch.peersChanged = true
            }
        }
    }

    /// The version of a kind that the server serves. Nil only when the task was cancelled.
    private func resource(of kind: FollowedKind) async -> KubeResource? {
        guard kind.resources.count > 1 else { return kind.resources.first }
        var failures = 0
        while !Task.isCancelled {
            do {
                if let resource = try await client.firstServed(of: kind.resources) { return resource }
                silence(kind, "the API server serves no \(kind.rawValue)")
            } catch {
                silence(kind, "\(error)")
            }
            failures += 1
            let pause = min(settings.firstPause * (1 << min(failures, 10)), settings.longestPause)
            guard (try? await settings.pause(pause * (0.5 + settings.chance() / 2))) != nil else { return nil }
        }
        return nil
    }

    private func follow<Object: KubeObject>(
        _ kind: FollowedKind, _ resource: KubeResource,
        _ table: WritableKeyPath<ClusterBatch, PendingChanges<Object>> & Sendable,
        _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) async {
        await follow(kind, resource, read) { state, unreadable, change in
            switch change {
            case .listed(let objects): state.batch[keyPath: table].list(objects, unreadable: unreadable)
            case .set(let object): state.batch[keyPath: table].set(object)
            case .gone(let object): state.batch[keyPath: table].remove(object.key)
            }
        }
    }

    private enum Change<Object: Sendable>: Sendable { case listed([Object]), set(Object), gone(Object) }

    /// Follows one resource.
    ///
    /// - Parameter carryOut: Takes a change over. With a list come the keys of objects that cannot be read.
    private func follow<Object: Sendable>(
        _ kind: FollowedKind, _ resource: KubeResource, _ read: @escaping @Sendable ([UInt8]) throws -> Object,
        _ carryOut: @Sendable (inout State, [ObjectKey], Change<Object>) -> Void
    ) async {
        var settings = settings
        let asked = settings.asked
        settings.asked = { [weak self] request in
            asked(request)
            self?.count(request)
        }
        let reflector = Reflector(client, resource, settings: settings) { try ObjectReading($0, read) }
        // Whether the server has answered for the first time, and its list is the next update.
        var isAnswered = false
        for await update in reflector.updates() {
            switch update {
            case .listed(let readings):
                var (objects, names): ([Object], [KubeUnreadable]) = ([], [])
                for reading in readings {
                    switch reading {
                    case .object(let object): objects.append(object)
                    case .unreadable(let name): names.append(name)
                    }
                }
                let keys = names.map { ObjectKey(namespace: $0.namespace, name: $0.name) }
                let list = objects
                change(kind) { state in
                    state.listed.insert(kind)
                    carryOut(&state, keys, .listed(list))
                }
                for name in names { note(kind, name) }
                if isAnswered { connect(kind) }
                isAnswered = false
            case .added(.object(let object)), .modified(.object(let object)):
                change(kind) { state in
                    state.events += 1
                    carryOut(&state, [], .set(object))
                }
            case .deleted(.object(let object)):
                change(kind) { state in
                    state.events += 1
                    carryOut(&state, [], .gone(object))
                }
            case .added(.unreadable(let name)), .modified(.unreadable(let name)): note(kind, name)
            // An object that cannot be read and is gone was never taken over, or is known as it was before.
            case .deleted(.unreadable(let name)): forget(kind, name)
            case .unreadable(let name): note(kind, name)
            case .disconnected(let reason):
                isAnswered = false
                silence(kind, reason)
            case .connected:
                // Who is told that everything is followed finds it all there.
                isAnswered = !state.withLock { $0.listed.contains(kind) }
                if !isAnswered { connect(kind) }
            }
        }
    }

    private func change(_ kind: FollowedKind, _ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        told(.changed)
    }

    /// Reads a node, and keeps the own one whole.
    private func node(_ octets: [UInt8]) throws -> Node {
        let node: Node = try ServedJSON.object(octets)
        if node.metadata.name == nodeName {
            let whole = try JSONText.value(of: octets)
            state.withLock { $0.node = whole }
        }
        return node
    }

    // MARK: State of the connection

    private func count(_ request: ReflectorRequest) {
        state.withLock { state in
            switch request {
            case .list: state.lists += 1
            case .watch: state.watches += 1
            }
        }
    }

    private func note(_ kind: FollowedKind, _ name: KubeUnreadable) {
        state.withLock { state in
            state.unreadable += 1
            state.lastUnreadable = "\(kind.rawValue) \(name)"
        }
        told(.unreadable(kind: kind, name))
    }

    private func forget(_ kind: FollowedKind, _ name: KubeUnreadable) {
        let key = ObjectKey(namespace: name.namespace, name: name.name)
        change(kind) { state in
            state.events += 1
            state.batch.peersChanged = true
            switch kind {
            case .nodes:
                state.batch.nodes.remove(key)
                if key.name == nodeName { state.node = nil }
            case .namespaces: state.batch.namespaces.remove(key)
            case .pods: state.batch.pods.remove(key)
            case .services: state.batch.services.remove(key)
            case .endpointSlices: state.batch.endpointSlices.remove(key)
            case .networkPolicies: state.batch.networkPolicies.remove(key)
            case .ciliumNetworkPolicies: state.batch.ciliumNetworkPolicies.remove(key)
            case .ciliumNodes: state.view.removeNode(key.name)
            case .ciliumEndpoints: state.view.removeEndpoint(key)
            case .ciliumIdentities: if let number = UInt32(key.name) { identities.remove(number) }
            }
        }
    }

    private func silence(_ kind: FollowedKind, _ reason: String) {
        let isLost = state.withLock { state in
            state.connected.remove(kind)
            state.silent[kind] = reason
            // A definition that is not there yet is no lost connection.
            guard state.isConnected, state.wanted.contains(kind) else { return false }
            state.isConnected = false
            state.since = .now
            return true
        }
        if isLost { told(.lost(kind: kind, reason: reason)) }
    }

    private func connect(_ kind: FollowedKind) {
        let after = state.withLock { state -> Duration? in
            state.silent[kind] = nil
            state.connected.insert(kind)
            guard !state.isConnected, state.connected.isSuperset(of: state.wanted) else { return nil }
            state.isConnected = true
            let now = MonotonicTime.now
            defer { state.since = now }
            return now.since(state.since)
        }
        if let after { told(.connected(after: after)) }
    }

    // MARK: What is known

    /// Takes what changed since this was asked last.
    public func take() -> ClusterBatch {
        state.withLock { state in
            defer { state.batch = ClusterBatch() }
            return state.batch
        }
    }

    /// Puts back what could not be taken over. What came since stays on top of it.
    public func putBack(_ batch: ClusterBatch) {
        state.withLock { state in
            var all = batch
            all.append(state.batch)
            state.batch = all
        }
    }

    /// The other agents' nodes and endpoints; nil until all of them were listed once.
    public func announcement(for own: NodeEntry) -> ClusterView.Announcement? {
        let view = state.withLock { state -> ClusterView? in
            let needed: Set<FollowedKind> = [.ciliumNodes, .ciliumEndpoints, .ciliumIdentities]
            return state.listed.isSuperset(of: needed) ? state.view : nil
        }
        return view?.announcement(for: own) { identities.served($0)?.labels }
    }

    /// The endpoints that the server has; nil until they were listed once.
    public var endpoints: [ObjectKey: CiliumEndpoint]? {
        state.withLock { $0.listed.contains(.ciliumEndpoints) ? $0.view.endpoints : nil }
    }

    /// Whether the server's identities were listed once.
    public var knowsIdentities: Bool { state.withLock { $0.listed.contains(.ciliumIdentities) } }

    /// A node's object of the agents; nil if there is none, or it was not seen yet.
    public func ciliumNode(_ name: String) -> CiliumNode? { state.withLock { $0.view.nodes[name] } }

    /// The own node's object as the server has it; nil until it was seen, and while there is none. An owner that is gone
    /// must not be named: the server's collector would delete what names it, again and again.
    public var ownNode: JSONValue? { state.withLock { $0.node } }

    /// The needed kinds that were not listed yet, each with the reason if there is one.
    public var missing: [String] {
        state.withLock { state in
            let (listed, silent) = (state.listed, state.silent)
            return FollowedKind.allCases.filter { FollowedKind.needed.contains($0) && !listed.contains($0) }
                .map { kind in kind.rawValue + (silent[kind].map { " (\($0))" } ?? "") }
        }
    }

    public var status: APIServerStatus {
        state.withLock { state in
            let (silence, wanted) = (state.silent, state.wanted)
            let silent = FollowedKind.allCases.filter { wanted.contains($0) }
                .compactMap { kind in silence[kind].map { "\(kind.rawValue): \($0)" } }.first
            let since = MonotonicTime.now.since(state.since)
            return APIServerStatus(
                server: "\(client.server)", isConnected: state.isConnected,
                sinceMillis: Int(since.components.seconds) * 1000
                    + Int(since.components.attoseconds / 1_000_000_000_000_000),
                reason: state.isConnected ? nil : silent ?? "not everything was listed yet", lists: state.lists,
                watches: state.watches, events: state.events, unreadable: state.unreadable,
                lastUnreadable: state.lastUnreadable)
        }
    }
}
