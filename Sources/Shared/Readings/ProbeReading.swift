/// A probe, its outcome, and what identifies its packets.
public struct ProbeReading: Codable, Sendable {
    public var key: CellKey
    public var observed: Outcome
    /// The probe's flow from the sender's view; nil if it was never sent.
    public var flow: FlowTuple?
    /// Says whether the receiver confirmed the probe's nonce, even if the answer was lost; nil if it could not be
    /// asked.
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
