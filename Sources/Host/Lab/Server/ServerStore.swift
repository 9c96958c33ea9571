import Foundation
public import KubeClient
import KubeObjects
import Scenario
import ServedObjects
import Synchronization

/// The objects of the lab's API server, as it told them last.
///
/// Lists and watches of what agents and the matrix need; whatever the servers do with the objects of a file shows here.
public final class ServerStore: Sendable {
    /// A client with the rights of the administrator.
    public let client: KubeClient
    /// Where the lab's pods answer the prober.
    let echo: EchoPort
    private let state = Mutex(State())
    /// Grows with every change, for those who wait for one.
    private let revision = Observed(0)
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let changed: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    struct State: Sendable {
        var objects = ClusterObjects()
        var pods: [ObjectKey: ServedPod] = [:]
        var names = PodNames()
        /// The kinds that were listed, and the kinds of which nothing is heard, with the reason.
        var listed: Set<ObjectKind> = []
        var silent: [ObjectKind: String] = [:]
        /// Objects that the server has and that cannot be read.
        var unreadable: [String: String] = [:]
    }

    /// - Parameter images: What images stand for; nil for the lab's own catalogue.
    public init(_ client: KubeClient, images: UserImages? = nil) {
        self.client = client
        echo = EchoPort(images)
        (changed, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Yields after changes, once for several that come together. There is one reader.
    var changes: AsyncStream<Void> { changed }

    // MARK: Following

    /// Begins to follow the server, which has the lab's own definitions already (`prepare`).
    ///
    /// - Throws: `LabError` if not everything was listed in time, with what is missing.
    public func follow(within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        let slices = try await client.firstServed(of: [.endpointSlices, .endpointSlicesBeta], within: .seconds(10))
        follow(.nodes) { octets -> Node in try ServedJSON.object(octets) }
        follow(.namespaces) { octets -> Namespace in try ServedJSON.object(octets) }
        follow(.services) { octets -> Service in try ServedJSON.object(octets) }
        follow(.networkPolicies) { octets -> NetworkPolicy in try ServedJSON.object(octets) }
        follow(.ciliumNetworkPolicies) { octets -> CiliumNetworkPolicy in try ServedJSON.object(octets) }
        if let slices { follow(slices) { octets in try ServedJSON.slice(octets) } }
        followPods()
        let wanted = Set(ObjectKind.allCases).subtracting(slices == nil ? [.endpointSlices] : [])
        _ = await revision.wait(within: max(.zero, end - ContinuousClock.now)) { _ in
            self.state.withLock { $0.listed.isSuperset(of: wanted) }
        }
        let (missing, silent) = state.withLock { (wanted.subtracting($0.listed), $0.silent) }
        guard missing.isEmpty else {
            let reasons = missing.sorted { $0.rawValue < $1.rawValue }
                .map { "\($0.rawValue)" + (silent[$0].map { " (\($0))" } ?? "") }
            throw LabError(.notReady, "the API server has not listed in \(limit): \(reasons.joined(separator: ", "))")
        }
    }

    private func follow<Object: KubeObject>(
        _ resource: KubeResource, _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) {
        let reflector = Reflector(client, resource, read: read)
        keep { store in
            for await update in reflector.updates() {
                await store.take(update, Object.kind) { state, change in
                    Self.carryOut(change, in: &state.objects[keyPath: Object.table]) { $0.key }
                }
            }
        }
    }

    private func followPods() {
        let reflector = Reflector(client, .pods) { octets in try ServedPod(octets) }
        keep { store in
            for await update in reflector.updates() {
                await store.take(update, .pods) { state, change in
                    guard Self.carryOut(change, in: &state.pods, key: { $0.key }) else { return false }
                    state.objects.pods = state.pods.mapValues(\.pod)
                    state.names.update(state.pods.values)
                    return true
                }
            }
        }
    }

    private func keep(_ body: @escaping @Sendable (ServerStore) async -> Void) {
        let task = Task { [weak self] in
            guard let self else { return }
            await body(self)
        }
        tasks.withLock { $0.append(task) }
    }

    private enum Change<Object> { case all([Object]), one(Object), gone(Object), removed(ObjectKey) }

    /// Carries a change out. False if everything is as it was: most news of a node is that it lives.
    private static func carryOut<Object: Equatable>(
        _ change: Change<Object>, in table: inout [ObjectKey: Object], key: (Object) -> ObjectKey
    ) -> Bool {
        switch change {
        case .all(let objects):
            let now = Dictionary(objects.map { (key($0), $0) }) { $1 }
            defer { table = now }
            return table != now
        case .one(let object): return table.updateValue(object, forKey: key(object)) != object
        case .gone(let object): return table.removeValue(forKey: key(object)) != nil
        case .removed(let key): return table.removeValue(forKey: key) != nil
        }
    }

    private func take<Object: Sendable>(
        _ update: ReflectorUpdate<Object>, _ kind: ObjectKind, _ change: (inout State, Change<Object>) -> Bool
    ) async {
        let isNew = state.withLock { state in
            switch update {
            case .listed(let objects):
                let isFirst = state.listed.insert(kind).inserted
                return change(&state, .all(objects)) || isFirst
            case .added(let object), .modified(let object): return change(&state, .one(object))
            case .deleted(let object): return change(&state, .gone(object))
            case .unreadable(let object) where object.isDeleted:
                return change(&state, .removed(ObjectKey(namespace: object.namespace, name: object.name)))
            case .unreadable(let object):
                state.unreadable["\(kind.rawValue) \(object.namespace)/\(object.name)"] = object.reason
            case .disconnected(let reason): state.silent[kind] = reason
            case .connected: state.silent[kind] = nil
            }
            return false
        }
        guard isNew else { return }
        await revision.update { $0 += 1 }
        signal.yield()
    }

    /// Objects that the server has and that nobody could read since this was asked last, with the reason.
    public func takeUnreadable() -> [String: String] {
        state.withLock { state in
            defer { state.unreadable = [:] }
            return state.unreadable
        }
    }

    /// Ends all watches.
    public func close() async {
        for task in tasks.withLock({ $0 }) { task.cancel() }
        signal.finish()
        await client.close()
    }

    // MARK: Reading

    func read<Value>(_ body: (State) -> Value) -> Value { state.withLock { body($0) } }

    /// The kinds of which nothing is heard at the moment, with the reason.
    public var silence: [String: String] {
        state.withLock { state in
            Dictionary(state.silent.map { ($0.key.rawValue, $0.value) }) { first, _ in first }
        }
    }

    /// Waits until the watch has told of pods. That it has not in time is for others to judge.
    func waitUntilKnown(_ pods: [ObjectKey], within limit: Duration) async {
        guard !pods.isEmpty else { return }
        _ = await revision.wait(within: limit) { _ in
            self.read { state in pods.allSatisfy { state.pods[$0] != nil } }
        }
    }

    /// Returns when nothing has changed for a time, or a condition holds, or the time is over.
    ///
    /// - Returns: Whether the condition holds.
    func wait(
        within limit: Duration, quiet: Duration, until condition: @escaping @Sendable () async -> Bool
    ) async throws -> Bool {
        let end = ContinuousClock.now + limit
        var seen = await revision.value
        var lastChange = ContinuousClock.now
        while true {
            if await condition() { return true }
            try Task.checkCancellation()
            let left = end - ContinuousClock.now
            guard left > .zero else { return false }
            let before = seen
            // Workloads are not followed: what they say of themselves is asked for again after a moment.
            let changed = await revision.wait(within: min(left, .milliseconds(250))) { $0 != before }
            if changed {
                seen = await revision.value
                lastChange = ContinuousClock.now
            } else if ContinuousClock.now - lastChange > quiet {
                return await condition()
            }
        }
    }
}
