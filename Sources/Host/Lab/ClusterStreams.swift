import NodeProtocol
import Readings

/// A long-lived flow, with its state at the end.
public struct StreamMeasurement: Sendable {
    public let from: Endpoint
    public let to: Endpoint
    public let `protocol`: ProbeProtocol
    public let established: Bool
    public let sent: Int
    public let answered: Int
    public let longestGapMillis: Int
    /// The milliseconds since the last answer, or since the start of the flow if there was none. It is nil if the flow
    /// was not read.
    public let silentMillis: Int?
    /// Why the flow ended, or `not read` and why its sender could not be asked. It is nil while the flow lives.
    public let ended: String?
}

extension Cluster {
    /// Opens a stream for each pair and protocol and waits until each was answered once.
    /// - Returns: The identifier of the streams, or nil if the plan has no pairs.
    public func openStreams(
        _ plan: MeasurementPlan, intervalMillis: Int, within deadline: Duration
    ) async throws -> UInt64? {
        guard !plan.pairs.isEmpty else { return nil }
        let identifier = nextPlanIdentifier()
        let layout = StreamLayout(plan)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, request) in layout.requests(identifier: identifier, intervalMillis: intervalMillis) {
                guard let node = node(named: name) else { continue }
                group.addTask { try await node.call(.openStreams(request), within: deadline) }
            }
            try await group.waitForAll()
        }
        let end = ContinuousClock.now + deadline
        var last: [StreamMeasurement] = []
        while ContinuousClock.now < end {
            last = await readStreams(identifier, layout: layout).readings
            if last.allSatisfy({ $0.established && $0.answered > 0 }) {
                return identifier
            }
            // The node counts the answers, so it is enough to ask it once in an interval.
            try await Task.sleep(for: .milliseconds(intervalMillis))
        }
        let silent = last.filter { !$0.established || $0.answered == 0 }
        throw LabError(
            .notReady,
            "\(silent.count) of \(plan.cellCount) streams were not answered within \(deadline), for example "
                + (silent.first.map { stream in
                    "\(stream.from.id) → \(stream.to.id) \(stream.protocol.rawValue)"
                        + (stream.ended.map { " (\($0))" } ?? "")
                } ?? "all"))
    }

    /// Reads the streams a last time and ends them.
    /// - Returns: One measurement for every pair and protocol of the plan. What could not be read is not established.
    public func closeStreams(_ identifier: UInt64, plan: MeasurementPlan) async throws -> [StreamMeasurement] {
        let layout = StreamLayout(plan)
        let (readings, unread) = await readStreams(identifier, layout: layout)
        for name in layout.senders where unread[name] == nil {
            guard let node = node(named: name), await node.state.power == .running else { continue }
            try await node.call(.closeStreams(id: identifier))
        }
        return readings
    }

    /// Every stream of the plan, and why a sender could not be asked, by node.
    private func readStreams(
        _ identifier: UInt64, layout: StreamLayout
    ) async -> (readings: [StreamMeasurement], unread: [String: String]) {
        await withTaskGroup(of: (String, Result<[StreamReading], any Error>).self) { group in
            for name in layout.senders {
                guard let node = node(named: name) else { continue }
                group.addTask {
                    do {
                        guard await node.state.power == .running else {
                            throw LabError(.request, "\(name) is \(await node.state.description)")
                        }
                        guard case .streams(let readings) = try await node.call(.readStreams(id: identifier)) else {
                            throw LabError(.request, "\(name) gave no streams")
                        }
                        return (name, .success(layout.own(readings, of: name)))
                    } catch {
                        return (name, .failure(error))
                    }
                }
            }
            var readings: [StreamReading] = []
            var unread: [String: String] = [:]
            for await (name, result) in group {
                switch result {
                case .success(let some): readings += some
                case .failure(let error): unread[name] = "\(error)"
                }
            }
            return (layout.measurements(readings, unread: unread), unread)
        }
    }
}

/// Numbers the ends of a plan's streams for the nodes.
struct StreamLayout: Sendable {
    let plan: MeasurementPlan
    let endpoints: [Endpoint]
    let index: [String: Int]

    init(_ plan: MeasurementPlan) {
        self.plan = plan
        var all: [Endpoint] = []
        var index: [String: Int] = [:]
        for endpoint in plan.pairs.flatMap({ [$0.from, $0.to] }) where index[endpoint.id] == nil {
            index[endpoint.id] = all.count
            all.append(endpoint)
        }
        endpoints = all
        self.index = index
    }

    var senders: [String] { Set(plan.pairs.compactMap(\.from.node)).sorted() }

    func requests(identifier: UInt64, intervalMillis: Int) -> [(String, StreamPlan)] {
        senders.map { name in
            let pairs = plan.pairs.filter { $0.from.node == name }
            let sources = Set(pairs.map(\.from.id)).sorted()
            let targets = Set(pairs.map(\.to.id)).sorted()
            return (
                name,
                StreamPlan(
                    id: identifier, intervalMillis: intervalMillis, protocols: plan.protocols.map(\.rawValue),
                    sources: sources.compactMap { id in
                        index[id].map { ProbeSource(index: $0, pod: endpoints[$0].podReference) }
                    },
                    targets: targets.compactMap { id in
                        index[id].map {
                            ProbeTarget(endpoints[$0], index: $0)
                        }
                    },
                    pairs: sources.map { source in
                        pairs.filter { $0.from.id == source }.compactMap { targets.firstIndex(of: $0.to.id) }
                    })
            )
        }
    }

    /// Returns those of a node's readings whose flows the node itself sends, because it was asked for no others.
    func own(_ readings: [StreamReading], of node: String) -> [StreamReading] {
        readings.filter { endpoints.indices.contains($0.source) && endpoints[$0.source].node == node }
    }

    /// Returns a measurement for every pair and protocol. A flow that is not among the readings is not established.
    /// - Parameter unread: The reason why a sender could not be asked, by node.
    func measurements(_ readings: [StreamReading], unread: [String: String]) -> [StreamMeasurement] {
        struct Slot: Hashable {
            let from: Int
            let to: Int
            let proto: String
        }
        let read = Dictionary(
            readings.map { (Slot(from: $0.source, to: $0.target, proto: $0.protocol), $0) }
        ) { first, _ in first }
        return plan.pairs.flatMap { pair in
            pair.to.answered(of: plan.protocols).map { proto in
                let reading = index[pair.from.id].flatMap { from in
                    index[pair.to.id].flatMap { read[Slot(from: from, to: $0, proto: proto.rawValue)] }
                }
                let why = unread[pair.from.node ?? ""].map { ": \($0)" } ?? ""
                return StreamMeasurement(
                    from: pair.from, to: pair.to, protocol: proto, established: reading?.established ?? false,
                    sent: reading?.sent ?? 0, answered: reading?.answered ?? 0,
                    longestGapMillis: reading?.longestGapMillis ?? 0, silentMillis: reading?.silentMillis,
                    ended: reading == nil ? "not read\(why)" : reading?.ended)
            }
        }
    }
}
