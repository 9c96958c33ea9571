import DatapathModel
import DatapathOptions
import KubeObjects
import LinuxKernel
import NetAddress
import Policy

#if canImport(Glibc)
    import Glibc
#endif

/// What the agent knows of policies, and what of that is in the kernel.
struct PolicyState: Sendable {
    let ruleNames = RuleNames()
    /// Of all policies that can be enforced.
    var units: [PolicyUnit] = []
    /// What was last compiled, by endpoint id; nothing yet after a start.
    var endpoints: [UInt16: EndpointPolicy] = [:]
    var ranges = LocalIdentities()
    /// The addresses of names that policies name, with those names.
    var names: [IPv4Address: Set<String>] = [:]
    /// In the kernel's maps.
    var entries: [PolicyMapKey: PolicyMapValue] = [:]
    var classes = PortClasses()
    /// As the ipcache has them; nil: not known yet.
    var apiServers: [IPv4Address]?
    var lastRevision: UInt32 = 0

    /// A number higher than any before on this node, also of agents that ran before: milliseconds since boot, or one
    /// more.
    mutating func nextRevision() -> UInt32 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let millis = UInt32(truncatingIfNeeded: now.tv_sec &* 1000 &+ now.tv_nsec / 1_000_000)
        lastRevision = max(lastRevision &+ 1, millis)
        return lastRevision
    }
}

/// Policies that cannot be enforced, each with the reason.
struct PolicyRefusals: Error, CustomStringConvertible {
    let refusals: [PolicyRefusal]
    var description: String { refusals.map(\.description).joined(separator: "; ") }
}

/// Network policies of Kubernetes and Cilium, compiled into the policy map.
final class PolicyFeature: DatapathFeature {
    let name = "policies"
    let kinds: Set<ObjectKind> = [.networkPolicies, .ciliumNetworkPolicies, .namespaces, .pods, .endpointSlices]
    var state = PolicyState()

    /// Takes over what an earlier agent left in the maps.
    func restore(_ core: inout AgentCore) throws {
        state.entries = try core.programs.maps.policy.entries()
        state.classes = try core.programs.maps.policy.classes()
        state.ranges = LocalIdentities(ipcache: try core.programs.maps.ipcache())
    }

    /// Policies, pods, namespaces or the API server's addresses changed.
    ///
    /// - Throws: `PolicyRefusals` when a policy cannot be enforced; all others are.
    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws {
        var refusals: [PolicyRefusal] = []
        if delta.touches([.networkPolicies, .ciliumNetworkPolicies]) { state.units = units(core, &refusals) }
        if delta.touches([.namespaces]) { try core.deriveIdentitiesAgain() }
        if delta.touches([.endpointSlices]) {
            let servers = core.apiServers()
            if servers != state.apiServers { try core.reconcileIPCache() }
            state.apiServers = servers
        }
        // Slices say where the API server is, and nothing else that policies depend on.
        if delta.touches(kinds.subtracting([.endpointSlices])) { try enforce(&core) }
        if !refusals.isEmpty { throw PolicyRefusals(refusals: refusals) }
    }

    private func units(_ core: borrowing AgentCore, _ refusals: inout [PolicyRefusal]) -> [PolicyUnit] {
        var units: [PolicyUnit] = []
        for (_, policy) in core.objects.networkPolicies.sorted(by: { $0.key < $1.key }) {
            do { units += try policy.units() } catch { refusals.append(error) }
        }
        for (_, policy) in core.objects.ciliumNetworkPolicies.sorted(by: { $0.key < $1.key }) {
            do {
                let own = try policy.units()
                if own.contains(where: \.readsRequests), !core.settings.kernelFeatures.available.contains(.skAssign) {
                    throw PolicyRefusal(
                        policy: own[0].policy, field: "toPorts.rules",
                        reason:
                            "kernel feature missing: \(KernelFeature.skAssign.rawValue), without which nothing reaches the proxy"
                    )
                }
                if own.contains(where: \.readsRequests), !core.settings.options.l7Proxy {
                    throw PolicyRefusal(
                        policy: own[0].policy, field: "toPorts.rules", reason: "l7Proxy is false: nobody reads requests"
                    )
                }
                units += own
            } catch let refusal as PolicyRefusal {
                refusals.append(refusal)
            } catch {
                Log.error("cannot read a policy", ["error": "\(error)"])
            }
        }
        return units
    }

    /// Makes the maps say what the policies mean for the endpoints of the node.
    ///
    /// Entries come before whatever leads to them (classes of ports, identities of ranges, the interface's flags), and
    /// go after it, so that at any moment the old or the new policy decides, and never none.
    ///
    /// - Parameter newcomer: an endpoint that is not connected yet, and whose interface has no entry.
    /// - Returns: what decides about the newcomer.
    @discardableResult
    func enforce(_ core: inout AgentCore, newcomer: EndpointRecord? = nil) throws -> PolicyEnforcement {
        let present =
            core.endpoints.values.filter { $0.phase == .ready && !$0.isWithoutVeth } + (newcomer.map { [$0] } ?? [])
        state.names = core.features.proxy.names.addresses(of: PolicyCompiler.names(in: state.units))
        let named = Set(state.names.keys.map { IPv4CIDR(host: $0) })
        let ranges = try state.ranges.changed(to: PolicyCompiler.ranges(in: state.units).union(named))
        try core.features.proxy.start(for: state.units, &core)
        let plan = try plan(core, present, ranges)
        // Before the first packet comes to the proxy: what it will be asked about.
        core.features.proxy.requests.replace(plan.requests)
        try core.programs.maps.policy.set(plan.entries.filter { state.entries[$0.key] != $0.value })
        state.entries.merge(plan.entries) { _, new in new }
        try core.programs.maps.policy.change(state.classes, to: plan.classes)
        state.classes = plan.classes
        if ranges != state.ranges {
            state.ranges = ranges
            try core.reconcileIPCache()
        }
        var enforced = PolicyEnforcement()
        for endpoint in present {
            let enforcement = enforcement(of: endpoint, plan)
            if endpoint.key == newcomer?.key {
                enforced = enforcement
            } else if enforcement != endpoint.enforcement {
                core.endpoints[endpoint.key]?.enforcement = enforcement
                if let changed = core.endpoints[endpoint.key] { try core.programs.maps.updateInterface(of: changed) }
            }
        }
        let stale = state.entries.keys.filter { plan.entries[$0] == nil }
        try core.programs.maps.policy.remove(stale)
        for key in stale { state.entries[key] = nil }
        state.endpoints = plan.endpoints
        return enforced
    }

    private func plan(_ core: borrowing AgentCore, _ present: [EndpointRecord], _ ranges: LocalIdentities) throws
        -> PolicyPlan
    {
        var compiled: [UInt16: EndpointPolicy] = [:]
        var requests: [IPv4Address: RequestPolicies.Endpoint] = [:]
        if !state.units.isEmpty {
            var compiler = PolicyCompiler(
                units: state.units, identities: peerIdentities(core, present, ranges), node: Identity.host.rawValue)
            for endpoint in present {
                let (labels, ports) = (core.identityLabels(of: endpoint), core.namedPorts(of: endpoint))
                let policy = compiler.compile(labels: labels, ports: ports)
                compiled[endpoint.id] = policy
                if let address = IPv4Address(endpoint.address) {
                    requests[address] = RequestPolicies.Endpoint(
                        id: endpoint.id, identity: Identity(rawValue: endpoint.identity),
                        policies: Dictionary(
                            uniqueKeysWithValues: PolicyDirection.allCases.compactMap { direction in
                                compiler.requests(labels: labels, ports: ports, policy, direction).map {
                                    (direction, $0)
                                }
                            }))
                }
            }
        } else {
            for endpoint in present {
                guard let address = IPv4Address(endpoint.address) else { continue }
                requests[address] = RequestPolicies.Endpoint(
                    id: endpoint.id, identity: Identity(rawValue: endpoint.identity))
            }
        }
        let proxy = core.features.proxy
        var plan = try PolicyPlan(
            endpoints: compiled, classes: state.classes, ruleNames: state.ruleNames,
            proxyPort: { proxy.port($0, $1) })
        plan.requests = requests
        return plan
    }

    /// The revision is raised when a connection that was allowed might no longer be.
    private func enforcement(of endpoint: EndpointRecord, _ plan: PolicyPlan) -> PolicyEnforcement {
        let directions = plan.directions(of: endpoint.id)
        let before = state.endpoints[endpoint.id]
        let after = plan.endpoints[endpoint.id] ?? EndpointPolicy()
        let isStricter = PolicyDirection.allCases.contains { direction in
            guard let new = after[direction] else { return false }
            guard let before else { return true }
            return before[direction].map { !new.permits(everythingOf: $0) } ?? true
        }
        // Another endpoint may have had the address: its connections are none of this one's.
        let isNew = endpoint.enforcement.revision == 0
        return PolicyEnforcement(
            directions: directions,
            revision: isStricter || isNew ? state.nextRevision() : endpoint.enforcement.revision)
    }

    // MARK: Who is who

    /// Every identity that a rule can select.
    private func peerIdentities(
        _ core: borrowing AgentCore, _ present: [EndpointRecord], _ ranges: LocalIdentities
    ) -> [PeerIdentity] {
        var labels = core.identities.all.mapValues(\.labels)
        for (identity, texts) in SecurityIdentity.reserved { labels[identity.rawValue] = texts }
        for endpoint in present where !endpoint.isHealth {
            labels[endpoint.identity] = core.identityLabels(of: endpoint)
        }
        let ports = core.portsByIdentity()
        let known = labels.map { PeerIdentity(number: $0, labels: $1, ports: ports[$0] ?? []) }
        let named = ranges.numbers.map {
            let names = names(of: $0)
            return PeerIdentity(
                number: $1, labels: LocalIdentities.labels(of: $0, names: names), range: $0, names: names)
        }
        return (known + named).sorted { $0.number < $1.number }
    }

    /// The names that policies let endpoints go to and that DNS answered with this address.
    func names(of range: IPv4CIDR) -> Set<String> {
        range.prefixLength == 32 ? state.names[range.address] ?? [] : []
    }
}

extension AgentCore {
    /// Has the policies decide about the endpoints of the node; see `PolicyFeature.enforce`.
    @discardableResult
    mutating func enforcePolicies(newcomer: EndpointRecord? = nil) throws -> PolicyEnforcement {
        try features.policy.enforce(&self, newcomer: newcomer)
    }

    /// The names that pods anywhere in the cluster give to their ports.
    fileprivate func portsByIdentity() -> [UInt32: [NamedPort]] {
        var ports: [UInt32: Set<NamedPort>] = [:]
        for pod in objects.pods.values {
            let named = Self.namedPorts(of: pod)
            if named.isEmpty { continue }
            let labels = identityLabels(namespace: pod.metadata.namespace, labels: pod.metadata.labels)
            ports[SecurityIdentity.derive(from: labels), default: []].formUnion(named)
        }
        return ports.mapValues { $0.sorted { ($0.name, $0.number) < ($1.name, $1.number) } }
    }

    fileprivate func namedPorts(of endpoint: EndpointRecord) -> [NamedPort] {
        let key = ObjectKey(namespace: endpoint.namespace, name: endpoint.name)
        return objects.pods[key].map(Self.namedPorts) ?? []
    }

    private static func namedPorts(of pod: Pod) -> [NamedPort] {
        pod.spec.containers.flatMap(\.ports).compactMap { port in
            guard let name = port.name, let transport = port.protocol.portProtocol else { return nil }
            return NamedPort(name: name, protocol: transport, number: port.containerPort)
        }
    }

    /// Addresses of the API server: endpoints of the service `kubernetes`.
    func apiServers() -> [IPv4Address] {
        let services = features.services
        if let restoration = services.restoration { return restoration.mark.apiServers }
        return services.slices.slices(of: ObjectKey(namespace: "default", name: "kubernetes"))
            .compactMap { objects.endpointSlices[$0] }
            .flatMap { $0.endpoints.flatMap(\.addresses) }.compactMap { IPv4Address($0) }
    }
}

extension TransportProtocol {
    /// Nil for `ANY`, which is no pod's.
    fileprivate var portProtocol: PortProtocol? {
        switch self {
        case .tcp: .tcp
        case .udp: .udp
        case .sctp: .sctp
        case .any: nil
        }
    }
}
