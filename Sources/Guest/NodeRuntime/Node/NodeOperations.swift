import LinuxKernel
import Netlink
import NodeProtocol

/// Carries out what the lab host asks of the node by `NodeOperation`.
struct NodeOperations {
    let agent: AgentProcess

    /// - Returns: What the kernel, or the agent's parent process, says after the operation.
    func carryOut(_ operation: NodeOperation) throws -> OperationReading {
        switch operation {
        case .setNetem(let parameters, let interface):
            return try rootQdisc(of: interface) { netlink, index in
                try netlink.replaceNetem(try Netem(parameters), linkIndex: index)
            }
        case .removeNetem(let interface):
            return try rootQdisc(of: interface) { netlink, index in
                if try netlink.netem(linkIndex: index) != nil { try netlink.deleteRootQdisc(linkIndex: index) }
            }
        case .readRootQdisc(let interface): return try rootQdisc(of: interface) { _, _ in }
        case .endAgent(let signal): return .agent(try agent.stop(signal: signal))
        }
    }

    /// Changes an interface and reads its root queueing discipline back.
    private func rootQdisc(
        of interface: String, after change: (borrowing NetlinkSocket, Int32) throws -> Void
    ) throws -> OperationReading {
        let netlink = try NetlinkSocket()
        let index = try netlink.link(named: interface).index
        try change(netlink, index)
        // The kernel does not list the root of an interface that was never up.
        return .rootQdisc(try netlink.rootQdisc(linkIndex: index).map { RootQdisc($0) } ?? RootQdisc(kind: "noop"))
    }
}

extension Netem {
    /// - Throws: `NodeFailure` when a time or a share is out of range.
    init(_ parameters: NetemParameters) throws {
        // The kernel holds a time as a 32-bit count of 64 ns, and more than 274 s would wrap around.
        func micros(_ milliseconds: Double) throws -> UInt32 {
            guard milliseconds >= 0, milliseconds <= 274_000 else { throw Self.outOfRange("time", milliseconds) }
            return UInt32((milliseconds * 1000).rounded())
        }
        func share(_ percent: Double) throws -> Double {
            guard percent >= 0, percent <= 100 else { throw Self.outOfRange("share", percent) }
            return percent / 100
        }
        self.init(
            delay: try micros(parameters.delayMillis), jitter: try micros(parameters.jitterMillis),
            loss: try share(parameters.lossPercent), corruption: try share(parameters.corruptPercent),
            duplication: try share(parameters.duplicatePercent), reordering: try share(parameters.reorderPercent),
            limit: 10_000)
    }

    private static func outOfRange(_ what: String, _ value: Double) -> NodeFailure {
        NodeFailure(code: "bad-request", message: "netem: \(what) \(value) is out of range")
    }
}

extension RootQdisc {
    init(_ qdisc: Qdisc) {
        self.init(kind: qdisc.kind, netem: qdisc.netem.map { NetemParameters($0) })
    }
}

extension NetemParameters {
    init(_ netem: Netem) {
        self.init(
            delayMillis: Double(netem.delay) / 1000, jitterMillis: Double(netem.jitter) / 1000,
            lossPercent: Self.percent(fraction: netem.loss), corruptPercent: Self.percent(fraction: netem.corruption),
            duplicatePercent: Self.percent(fraction: netem.duplication),
            reorderPercent: Self.percent(fraction: netem.reordering))
    }
}
