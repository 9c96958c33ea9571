import Matrix
import Observations
import Diagnosis
import Readings

/// An endpoint that answers over a protocol.
package struct Receiver: Sendable, Hashable {
    package let endpoint: String
    package let `protocol`: ProbeProtocol

    package init(endpoint: String, protocol: ProbeProtocol) {
        self.endpoint = endpoint
        self.protocol = `protocol`
    }
}

/// Tells a denial from a dead receiver, which is as silent. Silence counts as a denial only if the same receiver
/// answers somebody, in this round or before, or if the hypervisor or the node itself says why it cannot.
package struct PositiveControl {
    private let alive: Set<Receiver>
    private let cut: Set<String>
    private let nodeOf: [String: String]

    init(_ observation: Observation, cells: [Cell], answeredBefore: Set<Receiver>) {
        alive = answeredBefore.union(Self.answering(cells))
        cut = observation.cutNodes
        nodeOf = Dictionary(observation.endpoints.compactMap { end in end.node.map { (end.id, $0) } }) { a, _ in a }
    }

    /// Whether the silence of a cell can be taken for a denial.
    func covers(_ cell: Cell) -> Bool {
        alive.contains(Receiver(endpoint: cell.to, protocol: cell.protocol))
            || [cell.from, cell.to].contains { nodeOf[$0].map { cut.contains($0) } ?? false }
    }

    /// The receivers that answered somebody.
    package static func answering(_ cells: [Cell]) -> Set<Receiver> {
        Set(cells.filter { $0.latencyMicros != nil }.map { Receiver(endpoint: $0.to, protocol: $0.protocol) })
    }
}

extension Outcome {
    /// True if nothing came back from the receiver itself.
    var isSilence: Bool {
        switch self {
        case .timeout, .unreachable: true
        default: false
        }
    }
}
