import Lab
import NodeProtocol
import Scenario
import ScenarioReading

/// Impairs what leaves a node by delay, loss, corruption, duplication and reordering: tc-netem(8) at the root of one of
/// its interfaces.
struct NetemFault: Fault {
    /// The interfaces that a file may name, because every node may have them.
    private static let interfaces = ["eth0", "labrun_vxlan", "labrun_geneve", "labrun_host"]

    /// The longest delay and jitter. The kernel holds both as 32-bit counts of 64 ns, `struct tc_netem_qopt`.
    private static let longestSeconds = 274.0

    /// The shortest delay and jitter: one count.
    private static let shortestSeconds = 64e-9

    /// The smallest share. The kernel holds it as a part of 2^32 - 1, and 0 of them would do nothing.
    private static let smallestPercent = 100 / Double(UInt32.max)

    private static let interface = FaultParameter.text(
        "interface", preset: "eth0", help: "interface in the node, eth0 when not given")
    private static let delay = FaultParameter.duration("delay", help: "added to every packet")
    private static let jitter = FaultParameter.duration("jitter", help: "variation of the delay")
    private static let loss = FaultParameter.percent("loss", help: "share of packets lost")
    private static let corrupt = FaultParameter.percent("corrupt", help: "share of packets with a flipped bit")
    private static let duplicate = FaultParameter.percent("duplicate", help: "share of packets sent twice")
    private static let reorder = FaultParameter.percent(
        "reorder", help: "share of packets sent ahead of the delayed ones; needs a delay")

    static let descriptor = FaultDescriptor(
        kind: "netem",
        summary: "impair what leaves {nodes} by {interface} (delay {delay}, jitter {jitter}, loss {loss}, "
            + "corrupt {corrupt}, duplicate {duplicate}, reorder {reorder})",
        parameters: [
            FaultParameter.nodes(required: true, help: "nodes whose egress is impaired"),
            interface, delay, jitter, loss, corrupt, duplicate, reorder,
        ],
        check: {
            checkInterface(&$0); checkImpairment(&$0)
        },
        claims: { call, nodes in call.claims(.queueing(interface: call[interface] ?? "eth0"), among: nodes) })

    private static func checkInterface(_ check: inout FaultCheck) {
        guard let name = check.call[interface], !interfaces.contains(name) else { return }
        check.report(
            at: interface.name, message: "nodes have no interface \"\(name)\" that a file can name",
            expected: FaultCheck.oneOf(interfaces), suggestion: NearestName.of(name, among: interfaces))
    }

    private static func checkImpairment(_ check: inout FaultCheck) {
        /// Whether a parameter is above 0. A parameter that cannot be read counts as such, because its form has been
        /// reported already.
        func acts(_ parameter: FaultParameter<Double>) -> Bool {
            check.call[parameter].map { $0 > 0 } ?? check.isGiven(parameter)
        }
        if ![delay, jitter, loss, corrupt, duplicate, reorder].contains(where: acts) {
            check.report(
                message: "netem without delay, loss, corrupt, duplicate or reorder does nothing",
                expected: "one of them above 0")
        }
        for parameter in [delay, jitter] where check.call[parameter].map({ $0 > longestSeconds }) == true {
            check.report(
                at: parameter.name, message: "the kernel cannot hold a \(parameter.name) as long as that",
                expected: "at most \(Int(longestSeconds))s")
        }
        for parameter in [delay, jitter] where check.call[parameter].map({ $0 > 0 && $0 < shortestSeconds }) == true {
            check.report(
                at: parameter.name, message: "the kernel cannot hold a \(parameter.name) as short as that",
                expected: "at least 0.0001ms")
        }
        for parameter in [loss, corrupt, duplicate, reorder]
        where check.call[parameter].map({ $0 > 0 && $0 < smallestPercent }) == true {
            check.report(
                at: parameter.name, message: "the kernel cannot hold a \(parameter.name) as small as that",
                expected: "at least 0.00000003 %")
        }
        for parameter in [jitter, reorder] where acts(parameter) && !acts(delay) {
            check.report(
                at: parameter.name, message: "\(parameter.name) needs a delay", expected: "\"delay\" above 0")
        }
    }

    private let nodes: [ClusterNode]
    private let interface: String
    private let wanted: NetemParameters

    init(_ call: FaultCall, in cluster: Cluster) throws {
        nodes = try call.nodes(in: cluster)
        interface = call[Self.interface] ?? "eth0"
        wanted = Self.parameters(of: call)
    }

    /// The parameters that the kernel is asked for.
    static func parameters(of call: FaultCall) -> NetemParameters {
        NetemParameters(
            delayMillis: (call[delay] ?? 0) * 1000, jitterMillis: (call[jitter] ?? 0) * 1000,
            lossPercent: call[loss] ?? 0, corruptPercent: call[corrupt] ?? 0,
            duplicatePercent: call[duplicate] ?? 0, reorderPercent: call[reorder] ?? 0)
    }

    var targets: [String] { nodes.map { "\($0.name) \(interface)" } }

    func inject() async throws {
        for node in nodes { try await node.operate(.setNetem(wanted, interface: interface)) }
    }

    /// Holds if the kernel has a netem with the parameters that were asked for. A netem with others proves nothing.
    func effect() async throws -> Proof {
        await rootQdiscs { $0.netem?.isClose(to: wanted) == true }
    }

    func heal() async throws {
        for node in nodes { try await node.operate(.removeNetem(interface: interface)) }
    }

    func gone() async throws -> Proof {
        await rootQdiscs { $0.netem == nil }
    }

    /// Asks the kernel of each node for the interface's root queueing discipline.
    private func rootQdiscs(satisfy condition: (RootQdisc) -> Bool) async -> Proof {
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let qdisc = await node.rootQdisc(of: interface)
            holds = holds && qdisc.map(condition) == true
            lines.append("\(node.name): " + (qdisc.map { "\(interface) has \($0)" } ?? "could not be asked"))
        }
        return Proof(holds, lines)
    }
}
