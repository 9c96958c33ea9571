import Matrix
import NodeProtocol

/// A long-lived flow and how it fared.
public struct StreamMeasurement: Sendable {
    public let from: Endpoint
    public let to: Endpoint
    public let `protocol`: ProbeProtocol
    public let established: Bool
    public let sent: Int
    public let answered: Int
    public let longestGapMillis: Int
    public let ended: String?
}

extension Cluster {
    /// Opens a stream for each pair and protocol and waits until each was answered once.
    /// - Returns: its identifier; nil when the plan has no pairs.
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
            last = try await readStreams(identifier, layout: layout)
            if last.count == plan.cellCount, last.allSatisfy({ $0.established && $0.answered > 0 }) {
                return identifier
            }
            // The node counts; asking it once an interval is often enough.
            try await Task.sleep(for: .milliseconds(intervalMillis))
        }
        let silent = last.filter { !$0.established || $0.answered == 0 }
        throw LabError(
            .notReady,
            "\(silent.count) of \(plan.cellCount) streams were not answered within \(deadline), for example "
                + (silent.first.map { "\($0.from.id) → \($0.to.id) \($0.protocol.rawValue)" } ?? "all"))
    }

    /// Reads the streams a last time and ends them.
    public func closeStreams(_ identifier: UInt64, plan: MeasurementPlan) async throws -> [StreamMeasurement] {
        let layout = StreamLayout(plan)
        let readings = try await readStreams(identifier, layout: layout)
        for name in layout.senders {
            guard let node = node(named: name), await node.state.power == .running else { continue }
            try await node.call(.closeStreams(id: identifier))
        }
        return readings
    }

    private func readStreams(_ identifier: UInt64, layout: StreamLayout) async throws -> [StreamMeasurement] {
        try await withThrowingTaskGroup(of: [StreamMeasurement].self) { group in
            for name in layout.senders {
                guard let node = node(named: name) else { continue }
                group.addTask {
                    guard await node.state.power == .running,
                        case .streams(let readings) = try await node.call(.readStreams(id: identifier))
                    else { return [] }
                    return readings.compactMap { layout.measurement($0) }
                }
            }
            return try await group.reduce(into: [StreamMeasurement]()) { $0 += $1 }
        }
    }
}

/// Numbers the ends of a plan's streams for the nodes.
private struct StreamLayout: Sendable {
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
                            ProbeTarget(index: $0, address: endpoints[$0].address, port: endpoints[$0].port)
                        }
                    },
                    pairs: sources.map { source in
                        pairs.filter { $0.from.id == source }.compactMap { targets.firstIndex(of: $0.to.id) }
                    })
            )
        }
    }

    func measurement(_ reading: StreamReading) -> StreamMeasurement? {
        guard endpoints.indices.contains(reading.source), endpoints.indices.contains(reading.target),
            let proto = ProbeProtocol(rawValue: reading.protocol)
        else { return nil }
        return StreamMeasurement(
            from: endpoints[reading.source], to: endpoints[reading.target], protocol: proto,
            established: reading.established, sent: reading.sent, answered: reading.answered,
            longestGapMillis: reading.longestGapMillis, ended: reading.ended)
    }
}
