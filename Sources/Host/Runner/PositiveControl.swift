import Diagnosis
import Matrix
import Readings

/// An endpoint that answers on a protocol.
public struct Receiver: Sendable, Hashable {
    public let endpoint: String
    public let `protocol`: ProbeProtocol

    public init(endpoint: String, protocol: ProbeProtocol) {
        self.endpoint = endpoint
        self.protocol = `protocol`
    }
}

/// Decides whether silence may count as a denial. It may only if the same receiver answers somebody, in this round or
/// before, or if the hypervisor or the node itself explains why it cannot answer.
struct PositiveControl {
    private let alive: Set<Receiver>
    private let cut: Set<String>
    private let nodeOf: [String: String]

    init(_ observation: Observation, cells: [Cell], answeredBefore: Set<Receiver>) {
        alive = answeredBefore.union(Self.answering(cells))
        cut = Set(
            observation.nodes.filter { $0.power == .paused || $0.power == .stopped || $0.carrier == false }.map(\.name))
        nodeOf = Dictionary(observation.endpoints.compactMap { end in end.node.map { (end.id, $0) } }) { a, _ in a }
    }

    func covers(_ cell: Cell) -> Bool {
        alive.contains(Receiver(endpoint: cell.to, protocol: cell.protocol))
            || [cell.from, cell.to].contains { nodeOf[$0].map { cut.contains($0) } ?? false }
    }

    static func answering(_ cells: [Cell]) -> Set<Receiver> {
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
