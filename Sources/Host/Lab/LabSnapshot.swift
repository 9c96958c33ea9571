import Fabric
import NodeProtocol

/// The state of the whole lab that a fault may leave changed. A snapshot from before a fault is compared with one from
/// after healing.
public struct LabSnapshot: Sendable {
    /// Lines of text by what they describe, for example the routes of `node1 routes`. They are sorted and have no
    /// counters.
    public let state: [String: [String]]
    /// How often each node has booted.
    let boots: [String: Int]
    /// The nodes that were there, with the addresses by which others have routes to them.
    let members: [String: Set<String>]

    init(
        state: [String: [String]], boots: [String: Int] = [:], members: [String: Set<String>] = [:]
    ) {
        self.members = members
        self.state = state
        self.boots = boots
    }

    /// Returns a snapshot with the lines of both.
    public func merging(_ other: LabSnapshot) -> LabSnapshot {
        LabSnapshot(
            state: state.merging(other.state) { $0 + $1 }, boots: boots.merging(other.boots) { first, _ in first },
            members: members.merging(other.members) { first, _ in first })
    }

    /// The lines that are in only one of two snapshots: `node1 qdiscs: + qdisc netem … on eth0`.
    ///
    /// A node that has booted in the meantime made its pods anew, and its agent gives addresses from the beginning of
    /// its range again. There, pods are compared by name and phase. Of a node that has joined or left in the meantime
    /// nothing is compared, and neither are other nodes' routes to it.
    public func differences(since before: LabSnapshot) -> [String] {
        var found: [String] = []
        let anew = Set(boots.filter { before.boots[$0.key] != nil && before.boots[$0.key] != $0.value }.keys)
        let moved = Set(members.keys).symmetricDifference(before.members.keys)
        let routes = moved.reduce(into: Set<String>()) { all, name in
            all.formUnion(members[name] ?? before.members[name] ?? [])
        }
        func lines(_ snapshot: LabSnapshot, _ key: String) -> [String] {
            var lines = snapshot.state[key] ?? []
            if !routes.isEmpty, key.hasSuffix(" routes") {
                lines.removeAll { line in line.split(separator: " ").contains { routes.contains(String($0)) } }
            }
            return anew.contains { key == "\($0) pods" } ? lines.map(Self.withoutAddress) : lines
        }
        for key in Set(state.keys).union(before.state.keys).sorted() {
            if moved.contains(where: { key.hasPrefix($0 + " ") }) { continue }
            let old = lines(before, key)
            let new = lines(self, key)
            found += Self.surplus(new, over: old).map { "\(key): + \($0)" }
            found += Self.surplus(old, over: new).map { "\(key): - \($0)" }
        }
        return found
    }

    /// The lines that occur more often in the first list than in the second.
    private static func surplus(_ lines: [String], over others: [String]) -> [String] {
        var left = others.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        return lines.filter { line in
            guard let count = left[line], count > 0 else { return true }
            left[line] = count - 1
            return false
        }
    }

    /// The snapshot without pods and their interfaces (`lxc…`, `veth…`).
    public var withoutPods: LabSnapshot {
        LabSnapshot(
            state: state.filter { !$0.key.hasSuffix(" pods") }.mapValues { $0.filter { !Self.isOfPods($0) } },
            boots: boots, members: members)
    }

    /// Turns `default/web-1 192.168.1.3 Running` into `default/web-1 Running`.
    private static func withoutAddress(_ line: String) -> String {
        let words = line.split(separator: " ")
        return words.count == 3 ? "\(words[0]) \(words[2])" : line
    }

    /// Whether a line is about an interface of a pod, or the route to one.
    private static func isOfPods(_ line: String) -> Bool {
        line.hasPrefix("lxc") || line.hasPrefix("veth") || line.contains("/32 dev labrun_host")
    }
}

extension Cluster {
    /// Reads back the state of every node, of its machine, and of the fabric.
    public func snapshot() async throws -> LabSnapshot {
        var state: [String: [String]] = [:]
        var boots: [String: Int] = [:]
        var members: [String: Set<String>] = [:]
        for node in nodes where isPresent(node.name) {
            members[node.name] = [node.plan.address, "\(node.plan.address)/32", node.plan.podCIDR]
            state["\(node.name) power"] = [try await node.machine.power().rawValue]
            boots[node.name] = await node.state.boots
        }
        let readings = try await withThrowingTaskGroup(of: (String, NodeSnapshot?).self) { group in
            for node in presentNodes {
                group.addTask {
                    guard await node.state.power == .running else { return (node.name, nil) }
                    guard case .snapshot(let snapshot) = try await node.call(.snapshot) else { return (node.name, nil) }
                    return (node.name, snapshot)
                }
            }
            return try await group.reduce(into: [(String, NodeSnapshot?)]()) { $0.append($1) }
        }
        for (name, reading) in readings {
            guard let reading else { continue }
            state["\(name) links"] = reading.links
            state["\(name) addresses"] = reading.addresses
            state["\(name) routes"] = reading.routes
            state["\(name) qdiscs"] = reading.qdiscs
            state["\(name) filters"] = reading.filters
            state["\(name) conflists"] = reading.conflists
            state["\(name) pods"] = reading.pods
            state["\(name) agent"] = [reading.agentRunning ? "running" : "not running"]
        }
        state.merge(try await fabricState()) { $1 }
        if let controlPlane { state["control plane"] = await controlPlane.state() }
        return LabSnapshot(state: state, boots: boots, members: members)
    }

    /// The reading of a node; nil when the node cannot be asked.
    public func snapshot(of node: ClusterNode) async -> NodeSnapshot? {
        guard await node.state.power == .running,
            case .snapshot(let snapshot)? = try? await node.call(.snapshot, within: .seconds(3))
        else { return nil }
        return snapshot
    }
}

extension ClusterNode {
    private func reading() async -> NodeSnapshot? {
        guard await state.power == .running,
            case .snapshot(let snapshot)? = try? await call(.snapshot, within: .seconds(3))
        else { return nil }
        return snapshot
    }

    /// The root queueing discipline that the node's kernel has on an interface; nil when the node cannot be asked.
    public func rootQdisc(of interface: String) async -> RootQdisc? {
        guard await state.power == .running,
            case .rootQdisc(let qdisc)? = try? await operate(
                .readRootQdisc(interface: interface), within: .seconds(3))
        else { return nil }
        return qdisc
    }

    /// Whether the node sees a carrier on eth0; nil when the node cannot be asked.
    public func underlayCarrier() async -> Bool? {
        await reading().flatMap { Self.carrier(in: $0) }
    }

    /// Whether eth0 has a carrier in a reading; nil when the node has no such interface.
    public static func carrier(in snapshot: NodeSnapshot) -> Bool? {
        snapshot.links.first { $0.hasPrefix("eth0 ") }.map { $0.hasSuffix(" running") || $0.contains(" running ") }
    }
}

extension Cluster {
    /// The fabric's rules, sets and interfaces, as lines.
    private func fabricState() async throws -> [String: [String]] {
        let snapshot = try await fabric.snapshot()
        return [
            "fabric rules": snapshot.rules.map { "\($0.family) \($0.chain) \($0.name) \($0.expression)" },
            "vpc routes": snapshot.routes,
            "vpc neighbours": snapshot.neighbours,
            "fabric sets": snapshot.sets.map { "\($0.key) \($0.value.joined(separator: ","))" }.sorted(),
            "fabric interfaces": snapshot.interfaces.map {
                "\($0.name) \($0.kind ?? "") \($0.bridge ?? "") \($0.isUp ? "up" : "down") mtu \($0.mtu)"
            },
        ]
    }
}
