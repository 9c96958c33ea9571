import AgentAPI
import Diagnosis
import Fabric
import Files
import Foundation
import Lab
import Readings

/// Collects what every agent that still answers says of itself at the end of a run: texts for engineers, and dumps of
/// its maps.
struct AgentArtifacts: Sendable {
    let folder: String
    let emitter: Emitter
    private static let deadline = Duration.seconds(2)

    func collect(_ cluster: Cluster) async {
        await withTaskGroup(of: Void.self) { group in
            for node in cluster.nodes {
                group.addTask {
                    guard await node.state.isReady else { return }
                    await text(.statusText, "status", node)
                    await text(.healthText, "health", node)
                    await dump(.ipcache, "ipcache", node, [IPCacheEntry].self)
                    await dump(.endpoints, "endpoints", node, [AgentEndpoint].self)
                    await dump(.metrics, "metrics", node, [MetricSample].self)
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
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(value) { write(data, "map-\(name)-\(node.name).json") }
    }

    /// Collects the queries to the VPC's resolver and the packets that its router discarded, one on a line, with the
    /// seconds since the host's boot.
    func collectCloud(_ cluster: Cluster) async {
        guard let cloud = cluster.cloud else { return }
        func seconds(_ nanoseconds: Int64) -> String { String(format: "%.6f", Double(nanoseconds) / 1e9) }
        let queries = cloud.queries().queries.map { "\(seconds($0.time)) \($0.line)" }
        let discards = await cluster.fabric.discards().discards.map { discard in
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
