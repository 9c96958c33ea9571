import Scenario
import Synchronization

/// Which of the lab's nodes are there, and what was said of those that joined.
final class Membership: Sendable {
    enum Standing: Sendable {
        /// Planned, and not powered on.
        case absent
        /// Powered on to become a part of the cluster; nothing of it is measured yet.
        case joining
        case present
    }

    private struct State {
        var standing: [String: Standing]
        /// Labels and taints besides those of the lab file.
        var traits: [String: NodeTraits] = [:]
        var joins: [NodeJoin] = []
        /// Those who wait for what is told of a join later.
        var watches: [String: [Task<Void, Never>]] = [:]
    }

    private let state: Mutex<State>

    init(_ profile: LabProfile) {
        let initial = Set(profile.initialNodeNames)
        state = Mutex(
            State(
                standing: Dictionary(profile.nodeNames.map { ($0, initial.contains($0) ? .present : .absent) }) { $1 }))
    }

    func standing(of name: String) -> Standing { state.withLock { $0.standing[name] ?? .absent } }

    func isPresent(_ name: String) -> Bool { standing(of: name) == .present }

    func traits(of name: String) -> NodeTraits { state.withLock { $0.traits[name] ?? NodeTraits() } }

    var joins: [NodeJoin] { state.withLock { $0.joins } }

    /// Begins joins.
    ///
    /// - Returns: Those of the nodes that are not absent, in which case nothing has begun.
    func begin(_ names: [String], _ traits: NodeTraits?) -> [String] {
        state.withLock { state in
            let wrong = names.filter { state.standing[$0] != .absent }
            guard wrong.isEmpty else { return wrong }
            for name in names {
                state.standing[name] = .joining
                state.traits[name] = traits
                state.joins.removeAll { $0.node == name }
                state.joins.append(NodeJoin(node: name))
            }
            return []
        }
    }

    /// Ends joins.
    ///
    /// - Returns: Those of the nodes that do not join any more, because somebody has ended them meanwhile. They stay
    ///   absent.
    func arrive(_ names: [String]) -> [String] {
        state.withLock { state in
            let ended = names.filter { state.standing[$0] != .joining }
            for name in names where !ended.contains(name) { state.standing[name] = .present }
            return ended
        }
    }

    /// Ends the membership of nodes, and what waits for them.
    ///
    /// - Returns: Those of the nodes that are absent already, in which case nothing has changed.
    func end(_ names: [String]) -> [String] {
        let (wrong, tasks) = state.withLock { state -> ([String], [Task<Void, Never>]) in
            let wrong = names.filter { (state.standing[$0] ?? .absent) == .absent }
            guard wrong.isEmpty else { return (wrong, []) }
            var tasks: [Task<Void, Never>] = []
            for name in names {
                state.standing[name] = .absent
                state.traits[name] = nil
                tasks += state.watches.removeValue(forKey: name) ?? []
            }
            return ([], tasks)
        }
        for task in tasks { task.cancel() }
        return wrong
    }

    /// Notes a time of a node's join, if it was not noted before.
    func note(_ seconds: Double, _ field: WritableKeyPath<NodeJoin, Double?> & Sendable, of name: String) {
        state.withLock { state in
            guard state.standing[name] != .absent, let index = state.joins.firstIndex(where: { $0.node == name }),
                state.joins[index][keyPath: field] == nil
            else { return }
            state.joins[index][keyPath: field] = seconds
        }
    }

    /// Forgets who joined, for a run that begins in a lab of another one.
    func forgetJoins() { state.withLock { $0.joins = [] } }

    func watch(_ name: String, _ task: Task<Void, Never>) {
        state.withLock { $0.watches[name, default: []].append(task) }
    }

    func close() {
        let tasks = state.withLock { state in
            defer { state.watches = [:] }
            return state.watches.values.joined()
        }
        for task in tasks { task.cancel() }
    }
}

/// A node that joined the running lab, and how long it took: seconds from its power-on, each nil until it has come.
public struct NodeJoin: Sendable, Hashable {
    public let node: String
    /// When it was powered on.
    public let began: ContinuousClock.Instant
    /// Until its runtime answered.
    public var runtime: Double?
    /// Until its agent was ready.
    public var agent: Double?
    /// Until its Node object was Ready, in a lab with a control plane.
    public var nodeReady: Double?
    /// Until the first pod with a network of its own ran there.
    public var firstPod: Double?

    init(node: String) {
        self.node = node
        began = .now
    }
}
