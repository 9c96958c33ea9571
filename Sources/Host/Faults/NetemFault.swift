import Lab
import NodeProtocol
import Scenario

/// Delay, loss, corruption, duplication and reordering in the node, by netem(8) on its interface's egress.
struct NetemFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "netem",
        summary: "impair what leaves {nodes} (delay {delay}, loss {loss}, corrupt {corrupt}, "
            + "duplicate {duplicate}, reorder {reorder})",
        parameters: [
            .init("nodes", .nodes, required: true, help: "nodes whose egress is impaired"),
            .init("interface", .text, help: "interface in the node, eth0 when not given"),
            .init("delay", .duration, help: "added to every packet"),
            .init("jitter", .duration, help: "variation of the delay"),
            .init("loss", .percent, help: "share of packets lost"),
            .init("corrupt", .percent, help: "share of packets with a flipped bit"),
            .init("duplicate", .percent, help: "share of packets sent twice"),
            .init("reorder", .percent, help: "share of packets sent ahead of the delayed ones; needs a delay"),
        ])

    private let nodes: [ClusterNode]
    private let request: NetemRequest

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        request = NetemRequest(
            interface: call.text("interface") ?? "eth0", delayMillis: call.milliseconds("delay"),
            jitterMillis: call.milliseconds("jitter"), lossPercent: call.percent("loss"),
            corruptPercent: call.percent("corrupt"), duplicatePercent: call.percent("duplicate"),
            reorderPercent: call.percent("reorder"))
        guard request != NetemRequest(interface: request.interface) else {
            throw FaultError(call, "netem without delay, loss, corrupt, duplicate or reorder does nothing")
        }
        guard request.jitterMillis == 0 || request.delayMillis > 0 else {
            throw FaultError(call, "jitter needs a delay")
        }
        guard request.reorderPercent == 0 || request.delayMillis > 0 else {
            throw FaultError(call, "reorder needs a delay")
        }
    }

    var targets: [String] { nodes.map { "\($0.name) \(request.interface)" } }
    var claims: Set<String> { Set(targets.map { "\($0) qdisc" }) }

    func inject() async throws {
        for node in nodes { try await node.call(.setNetem(request)) }
    }

    func effect() async throws -> Proof { await qdiscs(present: true) }

    func heal() async throws {
        for node in nodes { try await node.call(.clearNetem(interface: request.interface)) }
    }

    func gone() async throws -> Proof { await qdiscs(present: false) }

    /// The node's kernel's own list.
    private func qdiscs(present wanted: Bool) async -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let qdiscs = await node.qdiscs()
            let netem = qdiscs?.first { $0.contains("netem") && $0.contains(request.interface) }
            holds = holds && qdiscs != nil && (netem != nil) == wanted
            lines.append("\(node.name): \(netem ?? (qdiscs == nil ? "could not be asked" : "no netem"))")
        }
        return Proof(holds, lines)
    }
}
