import Observations
import Readings
import AgentAPI
import NodeProtocol
import Scenario

extension Cluster {
    /// Measures all pairs at once. Each node sends the probes of its own endpoints; then every receiver is asked what
    /// it saw.
    ///
    /// The cells of a node that cannot be asked are `not-measured`, never a timeout.
    public func measure(_ plan: MeasurementPlan) async -> Measurement {
        let started = ContinuousClock.now
        var endpoints: [Endpoint] = []
        var indices: [String: Int] = [:]
        let everyPair = plan.pairs + plan.requests.map(\.pair)
        for endpoint in everyPair.flatMap({ [$0.from, $0.to] }) where indices[endpoint.id] == nil {
            indices[endpoint.id] = endpoints.count
            endpoints.append(endpoint)
        }
        let identifier = nextPlanIdentifier()
        let bySender = Dictionary(grouping: plan.pairs) { $0.from.receiver ?? "" }
        let senderNames = Set(everyPair.map { $0.from.receiver ?? "" })
        var results: [ProbeResult] = []
        var missing: [String: String] = [:]
        var longest = 0
        await withTaskGroup(of: (String, Result<(ProbeSummary, [ProbeResult]), any Error>).self) { group in
            for name in senderNames {
                if name == LabCloud.receiver, let cloud {
                    let request = cloudRequest(
                        identifier, pairs: bySender[name] ?? [], endpoints: endpoints, indices: indices, plan: plan)
                    group.addTask {
                        do {
                            let answer = try await cloud.probe(request)
                            return (name, .success((answer.summary, answer.results)))
                        } catch {
                            return (name, .failure(error))
                        }
                    }
                    continue
                }
                guard let node = node(named: name) else { continue }
                let request = Self.request(
                    identifier, sender: name, pairs: bySender[name] ?? [], endpoints: endpoints, indices: indices,
                    plan: plan)
                group.addTask {
                    guard await node.state.power == .running else {
                        return (name, .failure(LabError(.request, "\(name) is \(await node.state.description)")))
                    }
                    do {
                        let answer = try await node.connection().probe(request, slack: .seconds(60))
                        let asked = AskedCells(request)
                        return (name, .success((answer.summary, answer.results.filter(asked.contains))))
                    } catch {
                        return (name, .failure(error))
                    }
                }
            }
            for await (name, result) in group {
                switch result {
                case .success(let (summary, some)):
                    results += some
                    longest = max(longest, summary.longestRoundTripMicros)
                case .failure(let error): missing[name] = "\(error)"
                }
            }
        }
        // A probe of a service may arrive at any node.
        let receivers =
            plan.pairs.contains { $0.to.kind == .service }
            ? Set(presentNodes.map(\.name)).union(plan.pairs.compactMap(\.to.receiver))
            : Set(plan.pairs.compactMap(\.to.receiver))
        let sightings = await sightings(of: identifier, at: receivers, missing: missing)
        let probes =
            Self.join(
                plan: plan, endpoints: endpoints, indices: indices, results: results, sightings: sightings,
                senders: senders, nodes: presentNodes.map(\.name))
            + Self.requestMeasurements(plan, indices: indices, results: results)
        return Measurement(
            endpoints: endpoints, probes: probes, seconds: (ContinuousClock.now - started).inSeconds,
            longestRoundTripMicros: longest, packets: plan.count, missing: missing, senders: senders)
    }

    /// The plan of the cloud's hosts, in which every sender has targets of its own: the internet knows nodes by other
    /// addresses than the VPC.
    private func cloudRequest(
        _ identifier: UInt64, pairs: [MeasurementPlan.Pair], endpoints: [Endpoint], indices: [String: Int],
        plan: MeasurementPlan
    ) -> ProbePlan {
        let bySource = Dictionary(grouping: pairs) { $0.from.id }.sorted { $0.key < $1.key }
        var targets: [ProbeTarget] = []
        var positions: [[Int]] = []
        for (_, pairs) in bySource {
            positions.append(
                pairs.map { pair in
                    targets.append(
                        ProbeTarget(
                            pair.to, index: indices[pair.to.id] ?? 0,
                            address: self.plan.address(of: pair.to, from: pair.from)))
                    return targets.count - 1
                })
        }
        return ProbePlan(
            id: identifier, deadlineMillis: Int(plan.deadline.inSeconds * 1000),
            protocols: plan.protocols.map(\.rawValue),
            sources: bySource.map { id, pairs in
                ProbeSource(
                    index: indices[id] ?? 0,
                    pod: pairs.first.flatMap { LabProfile.cloudHost(of: $0.from) }.map(LabCloud.reference))
            }, targets: targets, pairs: positions, count: plan.count,
            requests: Self.requests(of: LabCloud.receiver, plan: plan, indices: indices))
    }

    private static func request(
        _ identifier: UInt64, sender: String, pairs: [MeasurementPlan.Pair], endpoints: [Endpoint],
        indices: [String: Int],
        plan: MeasurementPlan
    ) -> ProbePlan {
        let bySource = Dictionary(grouping: pairs) { $0.from.id }
        let targetIDs = Set(pairs.map(\.to.id))
        let targets = endpoints.filter { targetIDs.contains($0.id) }
        let position = Dictionary(uniqueKeysWithValues: targets.enumerated().map { ($1.id, $0) })
        let sources = bySource.keys.sorted()
        return ProbePlan(
            id: identifier, deadlineMillis: Int(plan.deadline.inSeconds * 1000),
            protocols: plan.protocols.map(\.rawValue),
            sources: sources.map { id in
                let endpoint = endpoints[indices[id] ?? 0]
                return ProbeSource(index: indices[id] ?? 0, pod: endpoint.podReference)
            },
            targets: targets.map { ProbeTarget($0, index: indices[$0.id] ?? 0) },
            pairs: sources.map { id in (bySource[id] ?? []).compactMap { position[$0.to.id] } },
            count: plan.count, requests: requests(of: sender, plan: plan, indices: indices))
    }

    /// What the receivers saw of a plan, by node; nil for a node that could not be asked.
    private func sightings(
        of identifier: UInt64, at nodes: Set<String>, missing: [String: String]
    ) async -> [String: [Sighting]?] {
        await withTaskGroup(of: (String, [Sighting]?).self) { group in
            for name in nodes {
                if name == LabCloud.receiver, let cloud {
                    group.addTask { (name, cloud.sightings(plan: identifier)) }
                    continue
                }
                guard let node = node(named: name), missing[name] == nil else { continue }
                group.addTask {
                    guard await node.state.power == .running, let link = try? await node.connection() else {
                        return (name, nil)
                    }
                    let seen = try? await link.sightings(plan: identifier, deadline: .seconds(5))
                    return (name, seen?.filter { $0.plan == identifier })
                }
            }
            var all: [String: [Sighting]?] = [:]
            for await (name, some) in group { all[name] = some }
            return all
        }
    }

    /// Makes the measurement of every cell of a plan from what the sender and the receivers say.
    ///
    /// Only the node of the pair's target can confirm a probe, and only if the probe came to the target's own address.
    /// There are two exceptions. If the target is on no node, any receiver's word counts. If the target is a service,
    /// any of its own pods can confirm the probe, on whichever of the `nodes` that pod is.
    ///
    /// - Parameter sightings: What the receivers saw, by node. The value is nil for a node that could not be asked.
    static func join(
        plan: MeasurementPlan, endpoints: [Endpoint], indices: [String: Int], results: [ProbeResult],
        sightings: [String: [Sighting]?], senders: [String: SenderAddresses] = [:],
        nodes: [String] = []
    ) -> [ProbeMeasurement] {
        struct Slot: Hashable {
            let from: UInt32
            let to: UInt32
            let proto: ProbeProtocolCode
        }
        let measured = Dictionary(
            results.filter { $0.request == nil }.map {
                (Slot(from: $0.sourceIndex, to: $0.targetIndex, proto: $0.protocol), $0)
            }
        ) { a, _ in a }
        var seen: [Slot: [(node: String, sighting: Sighting)]] = [:]
        for (node, some) in sightings {
            for sighting in some ?? [] {
                let slot = Slot(from: sighting.sourceIndex, to: sighting.targetIndex, proto: sighting.protocol)
                seen[slot, default: []].append((node, sighting))
            }
        }
        let homes = Dictionary(endpoints.filter { $0.kind == .pod }.map { ($0.address, $0.node) }) { first, _ in first }
        var probes: [ProbeMeasurement] = []
        probes.reserveCapacity(plan.cellCount)
        for pair in plan.pairs {
            guard let from = indices[pair.from.id], let to = indices[pair.to.id] else { continue }
            let isService = pair.to.kind == .service
            let receiver = pair.to.receiver
            let asked =
                isService
                ? nodes.allSatisfy { sightings[$0].flatMap { $0 } != nil }
                : sightings[receiver ?? ""].flatMap { $0 } != nil
            for proto in pair.to.answered(of: plan.protocols) {
                guard let code = ProbeProtocolCode(name: proto.rawValue) else { continue }
                let slot = Slot(from: UInt32(from), to: UInt32(to), proto: code)
                let key = CellKey(
                    from: pair.from.id, to: pair.to.id, protocol: proto, port: proto == .icmp ? 0 : pair.to.port)
                var confirmed: [SeenAddress] = []
                var isElsewhere = false
                for (node, sighting) in seen[slot] ?? [] {
                    if isService {
                        // A node is believed about its own pods only.
                        if let home = homes[sighting.receiverText], home != node { continue }
                        if plan.backends[pair.to.id]?.contains(sighting.receiverText) ?? true {
                            confirmed.append(sighting.seen)
                        } else {
                            isElsewhere = true
                        }
                    } else if receiver == nil || (node == receiver && sighting.receiverText == pair.to.address) {
                        confirmed.append(sighting.seen)
                    } else {
                        isElsewhere = true
                    }
                }
                let receipt: Receipt =
                    pair.to.kind == .controlPlane
                    ? .connection
                    : !confirmed.isEmpty
                        ? .confirmed(confirmed) : isElsewhere ? .elsewhere : asked ? .unseen : .notAsked
                probes.append(
                    Self.measurement(
                        key: key, sender: pair.from, target: pair.to, addresses: senders[pair.from.sender],
                        result: measured[slot], receipt: receipt, receiverAsked: asked))
            }
        }
        return probes
    }

    /// What is known of a cell's requests from the receivers.
    enum Receipt {
        /// The target received them, from these sources.
        case confirmed([SeenAddress])
        /// Another endpoint received them, and the target did not.
        case elsewhere
        /// The target's node was asked, and nobody received them.
        case unseen
        case notAsked
        /// The target is a server that tells nobody whom it serves. That the connection came about is all there is.
        case connection
    }

    /// Makes the measurement of one cell.
    ///
    /// The outcome of an answered probe is `wrong-source` if a receiver saw the request with another source than the
    /// sender's, or if the target's node was asked and nobody there saw the request. The cell counts as not measured
    /// if the request came to another endpoint, or if no receiver could be asked and the answer names no source.
    static func measurement(
        key: CellKey, sender: Endpoint, target: Endpoint, addresses: SenderAddresses?, result: ProbeResult?,
        receipt: Receipt, receiverAsked: Bool
    ) -> ProbeMeasurement {
        var arrived: Bool? = receiverAsked ? false : nil
        if case .confirmed = receipt { arrived = true }
        if case .connection = receipt {
            // An answer of the server's kernel proves that it was asked; silence proves nothing.
            arrived = [.open, .refused].contains(result.map { Outcome($0.outcome) }) ? true : nil
        }
        guard let result else {
            return ProbeMeasurement(
                key: key, observed: .notMeasured, latencyMicros: nil, localPort: nil, requestArrived: nil, sent: 0,
                answered: 0)
        }
        var reached = Outcome(result.outcome)
        var observed = reached
        var sources: [SeenAddress] = []
        if result.answered > 0, observed != .notMeasured {
            switch receipt {
            case .confirmed(let seen): sources = [result.seen].compactMap { $0 } + seen
            case .connection: break
            case .elsewhere: reached = .notMeasured
            case .unseen: reached = .wrongSource("unconfirmed by \(key.to)")
            case .notAsked:
                // There is no receiver to ask, so the source is what the answer itself says. The kernel's answer to an
                // ICMP echo says nothing of it.
                sources = [result.seen].compactMap { $0 }
                if sources.isEmpty { reached = .notMeasured }
            }
            let usual = UsualSource(sender: sender, target: target, addresses: addresses, localPort: result.localPort)
            observed = sources.first { !usual.matches($0) }.map { .wrongSource($0.description) } ?? reached
        }
        return ProbeMeasurement(
            key: key, observed: observed, reached: reached, sources: sources.map(\.description),
            latencyMicros: result.answered > 0 ? Int(result.roundTripMicros) : nil,
            localPort: result.localPort == 0 ? nil : result.localPort, requestArrived: arrived, sent: Int(result.sent),
            answered: Int(result.answered))
    }

    /// The source that a receiver sees where no rule says otherwise: the sender's address, and its port where that is
    /// known. Beyond an internet gateway it is the public address of the sender's node, and any port.
    private struct UsualSource {
        let addresses: [String]
        let port: UInt16?

        init(sender: Endpoint, target: Endpoint, addresses: SenderAddresses?, localPort: UInt16) {
            let isTranslated = target.kind == .internet && sender.node != nil
            let own = sender.kind == .internet ? addresses?.node ?? [] : [sender.address]
            self.addresses = isTranslated ? addresses?.public ?? [] : own
            port = isTranslated || localPort == 0 ? nil : localPort
        }

        func matches(_ seen: SeenAddress) -> Bool {
            addresses.contains(seen.addressText) && (port == nil || seen.port == port)
        }
    }

    /// Node-to-node and endpoint-to-endpoint probes of every agent that can be asked; by node name.
    public func health(deadline: Duration) async -> [String: Result<HealthReport, any Error>] {
        await withTaskGroup(of: (String, Result<HealthReport, any Error>).self) { group in
            for node in presentNodes {
                group.addTask {
                    do {
                        guard await node.state.power == .running else {
                            throw LabError(.request, "\(node.name) is \(await node.state.description)")
                        }
                        let request = HealthRequest(deadlineMillis: Int(deadline.inSeconds * 1000))
                        return (
                            node.name,
                            .success(
                                try await node.agent(
                                    .health, request, as: HealthReport.self, within: deadline + .seconds(3)))
                        )
                    } catch {
                        return (node.name, .failure(error))
                    }
                }
            }
            var all: [String: Result<HealthReport, any Error>] = [:]
            for await (name, result) in group { all[name] = result }
            return all
        }
    }
}

extension Endpoint {
    /// The name under which the endpoint's source addresses are kept.
    var sender: String { node ?? (kind == .internet ? CloudLayout.internetHost : "") }

    /// The endpoint's pod as the node runtime names it; nil for a node.
    var podReference: PodReference? {
        guard kind == .pod, let slash = id.firstIndex(of: "/") else { return nil }
        return PodReference(
            namespace: String(id[..<slash]), name: ownName ?? String(id[id.index(after: slash)...]))
    }
}

extension Duration {
    /// The duration in seconds.
    public var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
