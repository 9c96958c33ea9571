import Expectations
import Observations
import Readings
import Lab
import NodeProtocol
import Scenario

/// The streams that run throughout a step.
struct OpenStreams: Sendable {
    let plan: MeasurementPlan
    let identifier: UInt64
    let endpoints: [Endpoint]
    /// The milliseconds between the messages of a stream.
    static let intervalMillis = 20
}

extension ScenarioRun {
    /// Opens every stream that a step's expectations need, and waits until each has been answered.
    func openStreams(for needs: Set<ObservationNeed>) async throws -> OpenStreams? {
        let selections = needs.compactMap { need in if case .streams(let cells) = need { cells } else { nil } }
        guard !selections.isEmpty else { return nil }
        let endpoints = await cluster.endpoints
        var pairs: Set<MeasurementPlan.Pair> = []
        var protocols: Set<ProbeProtocol> = []
        for cells in selections {
            protocols.formUnion(cells.protocols.isEmpty ? ProbeProtocol.echoed : cells.protocols)
            for from in endpoints where from.isSender {
                for to in endpoints where to.id != from.id && to.kind != .controlPlane && cells.covers(from, to) {
                    pairs.insert(MeasurementPlan.Pair(from: from, to: to))
                }
            }
        }
        let plan = MeasurementPlan(
            pairs: pairs.sorted { ($0.from.id, $0.to.id) < ($1.from.id, $1.to.id) }, protocols: protocols.sorted(),
            deadline: .seconds(1), count: 1)
        return try await cluster.openStreams(plan, intervalMillis: OpenStreams.intervalMillis, within: .seconds(5))
            .map { OpenStreams(plan: plan, identifier: $0, endpoints: endpoints) }
    }

    /// Waits until nodes' flow caches serve the streams that begin or end on them, so that what the step does meets
    /// flows of that kind. After some seconds it goes on all the same: what was served says then that they were not.
    ///
    /// No probe is sent meanwhile, so that packets that are served are those of the streams.
    func served(_ streams: OpenStreams, since start: StepCounts) async throws -> [String: ServedStreams] {
        var all: [String: ServedStreams] = [:]
        for pair in streams.plan.pairs {
            let flows = pair.to.answered(of: streams.plan.protocols).count { $0 == .tcp || $0 == .udp }
            for node in Set([pair.from.node, pair.to.node].compactMap { $0 }) where flows > 0 {
                all[node, default: ServedStreams(streams: 0, packets: 0)].streams += flows
            }
        }
        let began = ContinuousClock.now
        repeat {
            let counts = await collector.flowCaches()
            for (node, count) in counts {
                guard let before = start.flowCaches[node] else { continue }
                all[node]?.packets = count.since(before).served
            }
            if all.values.allSatisfy(\.areServed) { break }
            try await Task.sleep(for: .milliseconds(100))
        } while ContinuousClock.now - began < .seconds(5)
        return all
    }

    func readAndClose(_ streams: OpenStreams) async throws -> [StreamObservation] {
        try await cluster.closeStreams(streams.identifier, plan: streams.plan).map { reading in
            StreamObservation(
                from: reading.from, to: reading.to, protocol: reading.protocol, established: reading.established,
                sent: reading.sent, answered: reading.answered, longestGapMillis: reading.longestGapMillis,
                intervalMillis: OpenStreams.intervalMillis, silentMillis: reading.silentMillis, ended: reading.ended)
        }
    }
}
