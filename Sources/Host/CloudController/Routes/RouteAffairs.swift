import CloudAPI
import JSON
import NetAddress

/// What a cloud controller does about the routes of pods' ranges, as Kubernetes' route controller: a route for each
/// range of each node, and none of the cluster's pods that leads elsewhere.
struct RouteAffairs: Sendable, Hashable {
    /// A route that is to be made.
    struct Creation: Sendable, Hashable {
        let node: ObjectName
        let route: CloudRoute
    }
    /// What is taken out of the table. It comes first: a table has one route to a destination.
    private(set) var deletions: [CloudRoute] = []
    private(set) var creations: [Creation] = []
    /// The nodes that have all their routes already.
    private(set) var routed: [ObjectName] = []
    /// Nodes with a range that cannot have a route, because another node has it or it is none of the cluster's.
    private(set) var refused: Set<ObjectName> = []
    private(set) var events: [ControllerEvent] = []

    /// - Parameters:
    ///   - ranges: The ranges that CiliumNodes name, by the node. They go before those of the Node's `spec`, since the
    ///     agent uses them.
    ///   - present: The route table.
    ///   - cluster: The ranges of the cluster's pods. Routes to anything else are somebody else's.
    init(
        nodes: [KubeNode], ranges: [String: [String]], machines: [CloudMachine], present: [CloudRoute],
        cluster: [IPv4CIDR]
    ) {
        let wishes = Self.wishes(nodes, ranges, machines)
        var granted: [IPv4CIDR: Wish] = [:]
        // Whoever has a route keeps it.
        let has = { (wish: Wish) in present.contains { $0.leads(wish) } }
        for wish in wishes.filter(has) + wishes.filter({ !has($0) }) {
            if !cluster.contains(where: { $0.contains(wish.range) }) {
                refuse(
                    wish, "the range is not within the cluster's \(cluster.map(\.description).joined(separator: ", "))")
            } else if let other = granted.first(where: { $0.key.overlaps(wish.range) }) {
                refuse(wish, "node \(other.value.node.name) has the range \(other.key)")
            } else {
                granted[wish.range] = wish
            }
        }
        for route in present {
            guard let range = IPv4CIDR(network: route.destination), cluster.contains(where: { $0.contains(range) })
            else { continue }
            if granted[range].map({ route.leads($0) }) != true { deletions.append(route) }
        }
        for (_, wish) in granted.sorted(by: { $0.key.address < $1.key.address }) where !has(wish) {
            creations.append(Creation(node: wish.node, route: wish.route))
        }
        let waiting = Set(creations.map(\.node))
        routed = Set(granted.values.map(\.node)).subtracting(waiting).subtracting(refused).sorted()
    }

    /// A range that a node's pods have.
    fileprivate struct Wish: Sendable, Hashable {
        let node: ObjectName
        let range: IPv4CIDR
        let instanceID: String
        var route: CloudRoute { CloudRoute(destination: range.description, instanceID: instanceID) }
    }

    private static func wishes(
        _ nodes: [KubeNode], _ ranges: [String: [String]], _ machines: [CloudMachine]
    ) -> [Wish] {
        var wishes: [Wish] = []
        for node in nodes.sorted(by: { $0.name < $1.name }) where !node.isTerminating {
            let machine = machines.last { machine in
                machine.state != .terminated
                    && (node.providerID.isEmpty
                        ? machine.node == node.name.name : machine.providerID == node.providerID)
            }
            guard let machine else { continue }
            let named = ranges[node.name.name] ?? []
            for text in named.isEmpty ? node.podCIDRs : named {
                guard let range = IPv4CIDR(network: text) else { continue }
                wishes.append(Wish(node: node.name, range: range, instanceID: machine.instanceID))
            }
        }
        return wishes
    }

    private mutating func refuse(_ wish: Wish, _ reason: String) {
        refused.insert(wish.node)
        events.append(Self.failure(wish.node, wish.route, reason))
    }

    /// The event of a route that could not be made, in the words of Kubernetes' route controller. How long it took is
    /// left out, so that the same failure is the same event.
    static func failure(_ node: ObjectName, _ route: CloudRoute, _ reason: String) -> ControllerEvent {
        .warning(
            .node(node), "FailedToCreateRoute",
            "Could not create route \(node.uid) \(route.destination) for node \(node.name): \(reason)")
    }

    /// A strategic merge patch of a node's status that says whether the node has its routes; nil if it says so, or if
    /// its agent has said that the network is there: that goes before, as in a cluster whose Cilium has the last word.
    ///
    /// - Parameter time: `2026-01-31T12:00:00Z`
    static func condition(_ node: KubeNode, isRouted: Bool, time: String) -> JSONValue? {
        if let present = node.networkUnavailable {
            guard present.isUnavailable == isRouted else { return nil }
            guard isRouted || ["RouteCreated", "NoRouteCreated"].contains(present.reason) else { return nil }
        }
        let condition: JSONValue = .object([
            "type": .string("NetworkUnavailable"), "status": .string(isRouted ? "False" : "True"),
            "reason": .string(isRouted ? "RouteCreated" : "NoRouteCreated"),
            "message": .string(
                isRouted ? "RouteController created a route" : "RouteController failed to create a route"),
            "lastHeartbeatTime": .string(time), "lastTransitionTime": .string(time),
        ])
        return .object(["status": .object(["conditions": .array([condition])])])
    }
}

extension CloudRoute {
    /// Whether it is the route of a range to its node's machine.
    fileprivate func leads(_ wish: RouteAffairs.Wish) -> Bool {
        instanceID == wish.instanceID && IPv4CIDR(network: destination) == wish.range
    }
}
