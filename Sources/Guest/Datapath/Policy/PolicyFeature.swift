import DatapathModel
import DatapathOptions
import KubeObjects
import LinuxKernel
import NetAddress
import Policy

#if canImport(Glibc)
    import Glibc
#endif

/// What the agent knows of policies, and which part of it is in the kernel.
struct PolicyState: Sendable {
    let ruleNames = RuleNames()
    /// The rules of all policies that can be enforced.
    var units: [PolicyUnit] = []
    /// The policies that were compiled last, by endpoint id. After a start there are none yet.
    var endpoints: [UInt16: EndpointPolicy] = [:]
    var ranges = LocalIdentities()
    /// The addresses of names that policies mention, with those names.
    var names: [IPv4Address: Set<String>] = [:]
    /// The entries in the kernel's map.
    var entries: [PolicyMapKey: PolicyMapValue] = [:]
    var classes = PortClasses()
    /// The API server's addresses as the ipcache has them. They are nil until they are known.
    var apiServers: [IPv4Address]?
    var lastRevision: UInt32 = 0

    /// Returns a number higher than any before on this node, including those of earlier agents: the milliseconds since
    /// boot, or the last number plus one.
    mutating func nextRevision() -> UInt32 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let millis = UInt32(truncatingIfNeeded: now.tv_sec &* 1000 &+ now.tv_nsec / 1_000_000)
        lastRevision = max(lastRevision &+ 1, millis)
        return lastRevision
    }
}

/// The policies that cannot be enforced, each with the reason.
struct PolicyRefusals: Error, CustomStringConvertible {
    let refusals: [PolicyRefusal]
    var description: String { refusals.map(\.description).joined(separator: "; ") }
}

/// Enforces the network policies of Kubernetes and Cilium by compiling them into the policy map.
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

    /// Follows changes of policies, pods, namespaces or the API server's addresses.
    ///
    /// - Throws: `PolicyRefusals` if a policy cannot be enforced. All other policies are enforced nevertheless.
    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws {
        var refusals: [PolicyRefusal] = []
        if delta.touches([.networkPolicies, .ciliumNetworkPolicies]) { state.units = units(core, &refusals) }
        if delta.touches([.namespaces]) { try core.deriveIdentitiesAgain() }
        if delta.touches([.endpointSlices]) {
            let servers = core.apiServers()
            if servers != state.apiServers { try core.reconcileIPCache() }
            state.apiServers = servers
        }
        // Slices tell where the API server is. Policies depend on nothing else in them.
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
                        reason: "kernel feature missing: \(KernelFeature.skAssign.rawValue), "
                            + "without which nothing reaches the proxy")
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

    /// Brings the maps in line with the policies for the endpoints of the node.
    ///
    /// Entries are written before anything that leads to them (classes of ports, identities of ranges, the interface's
    /// flags), and removed after it. At any moment either the old or the new policy decides.
    ///
    /// - Parameter newcomer: An endpoint that is not connected yet, and whose interface has no entry.
    ///
    /// - Returns: The enforcement for the newcomer.
    @discardableResult
    func enforce(_ core: inout AgentCore, newcomer: EndpointRecord? = nil) throws -> PolicyEnforcement {
        let present =
            core.endpoints.values.filter { $0.phase == .ready && !$0.isWithoutVeth } + (newcomer.map { [$0] } ?? [])
        state.names = core.features.proxy.names.addresses(of: PolicyCompiler.names(in: state.units))
        let named = Set(state.names.keys.map { IPv4CIDR(host: $0) })
        let ranges = try state.ranges.changed(to: PolicyCompiler.ranges(in: state.units).union(named))
        try core.features.proxy.start(for: state.units, &core)
        let plan = try plan(core, present, ranges)
        // The proxy must have the answers before the first packet comes to it.
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

    /// Returns the enforcement for an endpoint. The revision is raised if a connection that was allowed might no longer
    /// be.
    private func enforcement(of endpoint: EndpointRecord, _ plan: PolicyPlan) -> PolicyEnforcement {
        let directions = plan.directions(of: endpoint.id)
        let before = state.endpoints[endpoint.id]
        let after = plan.endpoints[endpoint.id] ?? EndpointPolicy()
        let isStricter = PolicyDirection.allCases.contains { direction in
            guard let new = after[direction] else { return false }
            guard let before else { return true }
            return before[direction].map { !new.permits(everythingOf: $0) } ?? true
        }
        // Another endpoint may have had the address before. Its connections do not belong to this one.
        let isNew = endpoint.enforcement.revision == 0
        return PolicyEnforcement(
            directions: directions,
            revision: isStricter || isNew ? state.nextRevision() : endpoint.enforcement.revision)
    }

    // MARK: Who is who

    /// Returns every identity that a rule can select.
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

    /// Returns the names that policies mention and that DNS answered with this address.
    func names(of range: IPv4CIDR) -> Set<String> {
        range.prefixLength == 32 ? state.names[range.address] ?? [] : []
    }
}

extension AgentCore {
    /// Applies the policies to the endpoints of the node; see `PolicyFeature.enforce`.
    @discardableResult
    mutating func enforcePolicies(newcomer: EndpointRecord? = nil) throws -> PolicyEnforcement {
        try features.policy.enforce(&self, newcomer: newcomer)
    }

    /// The names that pods anywhere in the cluster give to their ports, by identity.
    fileprivate func portsByIdentity() -> [UInt32: [NamedPort]] {
        var ports: [UInt32: Set<NamedPort>] = [:]
        for pod in objects.pods.values {
            let named = Self.namedPorts(of: pod)
            if named.isEmpty { continue }
            let labels = identityLabels(namespace: pod.metadata.namespace, labels: pod.metadata.labels)
            // Without a number, no endpoint has these labels yet.
            guard let identity = try? identities.number(of: labels) else { continue }
            ports[identity, default: []].formUnion(named)
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

    /// Returns the addresses of the API server, which are the endpoints of the service `kubernetes`.
    func apiServers() -> [IPv4Address] {
        let services = features.services
        if let restoration = services.restoration { return restoration.mark.apiServers }
        return services.slices.slices(of: ObjectKey(namespace: "default", name: "kubernetes"))
            .compactMap { objects.endpointSlices[$0] }
            .flatMap { $0.endpoints.flatMap(\.addresses) }.compactMap { IPv4Address($0) }
    }
}

extension TransportProtocol {
    /// Nil for `ANY`, which no port of a pod has.
    fileprivate var portProtocol: PortProtocol? {
        switch self {
        case .tcp: .tcp
        case .udp: .udp
        case .sctp: .sctp
        case .any: nil
        }
    }
}
