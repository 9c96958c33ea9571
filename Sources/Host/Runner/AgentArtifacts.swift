import AgentAPI
import Diagnosis
import Fabric
import Files
import Foundation
import Lab
import LinuxKernel
import Readings

/// Collects what every agent that still answers says of itself at the end of a run: texts for engineers, and dumps of
/// its maps.
struct AgentArtifacts: Sendable {
    let folder: String
    let emitter: Emitter
    private static let deadline = Duration.seconds(2)

    /// - Parameter metrics: The agents' counters when the run began. A run is told only what was counted since.
    func collect(_ cluster: Cluster, metrics: NodeMetrics) async {
        await withTaskGroup(of: Void.self) { group in
            for node in cluster.presentNodes {
                group.addTask {
                    guard await node.state.isReady else { return }
                    await text(.statusText, "status", node)
                    await text(.healthText, "health", node)
                    await dump(.ipcache, "ipcache", node, [IPCacheEntry].self)
                    await dump(.endpoints, "endpoints", node, [AgentEndpoint].self)
                    if let now = await Self.metrics(of: node) {
                        write(now.since(metrics[node.name] ?? []), "metrics", node)
                    }
                }
            }
        }
    }

    private func text(_ method: AgentMethod, _ name: String, _ node: ClusterNode) async {
        let request = HealthRequest(deadlineMillis: 500)
        guard let text = try? await node.agent(method, request, as: String.self, within: Self.deadline) else { return }
        write(Data(text.utf8), "\(name)-\(node.name).txt")
    }

    private func dump<Value: Codable & Sendable>(
        _ method: AgentMethod, _ name: String, _ node: ClusterNode, _ type: Value.Type
    ) async {
        guard let value = try? await node.agent(method, as: Value.self, within: Self.deadline) else { return }
        write(value, name, node)
    }

    private func write(_ value: some Encodable, _ name: String, _ node: ClusterNode) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(value) { write(data, "map-\(name)-\(node.name).json") }
    }

    /// Reads the counters of every agent that answers.
    static func metrics(of cluster: Cluster) async -> NodeMetrics {
        await withTaskGroup(of: (String, [MetricSample]?).self) { group in
            for node in cluster.presentNodes { group.addTask { (node.name, await metrics(of: node)) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private static func metrics(of node: ClusterNode) async -> [MetricSample]? {
        try? await node.agent(.metrics, as: [MetricSample].self, within: deadline)
    }

    /// Collects the queries to the VPC's resolver and the packets that its router discarded, one on a line, with the
    /// seconds since the host's boot.
    ///
    /// - Parameter begun: When the run began; nil if it booted the lab.
    func collectCloud(_ cluster: Cluster, since begun: MonotonicTime?) async {
        guard let cloud = cluster.cloud else { return }
        func seconds(_ nanoseconds: Int64) -> String { String(format: "%.6f", Double(nanoseconds) / 1e9) }
        let queries = cloud.queries(since: begun).queries.map { "\(seconds($0.time)) \($0.line)" }
        let discards = await cluster.fabric.discards(since: begun).discards.map { discard in
            "\(seconds(discard.time)) \(discard.reason.rawValue) \(FlowTuple(discard.header))"
        }
        for (name, lines) in [("vpc-dns.log", queries), ("vpc-discards.log", discards)] where !lines.isEmpty {
            write(Data((lines.joined(separator: "\n") + "\n").utf8), name)
        }
    }

    /// Writes a file. A failure does not change the run's verdict.
    private func write(_ data: Data, _ name: String) {
        do {
            try AtomicFile.write(data, to: "\(folder)/\(name)")
        } catch {
            emitter.log(.warning, "artifacts", "\(name) could not be written: \(error)")
        }
    }
}

/// The agents' counters, by node.
typealias NodeMetrics = [String: [MetricSample]]

extension [MetricSample] {
    /// Returns what was counted since an earlier reading. A counter that has become smaller belongs to a node that was
    /// started again, and counts from zero.
    func since(_ before: [MetricSample]) -> [MetricSample] {
        let old = Dictionary(before.map { (CounterKey($0), $0) }) { first, _ in first }
        return compactMap { now in
            guard let last = old[CounterKey(now)], last.packets <= now.packets, last.bytes <= now.bytes else {
                return now
            }
            guard last.packets < now.packets else { return nil }
            return MetricSample(
                reason: now.reason, code: now.code, direction: now.direction, packets: now.packets - last.packets,
                bytes: now.bytes - last.bytes)
        }
    }
}

private struct CounterKey: Hashable {
    let code: Int
    let direction: String
    init(_ sample: MetricSample) { (code, direction) = (sample.code, sample.direction) }
}
