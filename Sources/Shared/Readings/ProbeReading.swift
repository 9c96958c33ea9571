/// A probe, what came of it, and how its packets can be told from others.
public struct ProbeReading: Codable, Sendable {
    public var key: CellKey
    public var observed: Outcome
    /// The probe's flow from the sender's view; nil when it was never sent.
    public var flow: FlowTuple?
    /// The receiver confirmed the probe's nonce, whether or not its answer got home; nil when it could not be asked.
    public var requestArrived: Bool?
    public var sent: Int
    public var answered: Int
    public init(
        key: CellKey, observed: Outcome, flow: FlowTuple?, requestArrived: Bool?, sent: Int, answered: Int
    ) {
        self.key = key
        self.observed = observed
        self.flow = flow
        self.requestArrived = requestArrived
        self.sent = sent
        self.answered = answered
    }
}
