import Diagnosis
import Matrix
import Readings
import RunEvents
import Scenario

/// Holds an observation against a step's expectations. Pure: one file per kind of expectation, listed here.
public struct Judge: Sendable {
    public let expectations: Expectations
    public let nodeCount: Int
    /// Receivers that answered somebody earlier in the run: their silence now is no dead listener.
    public let answeredBefore: Set<Receiver>

    /// What identities earlier steps found, by the step's name.
    public let identitiesBefore: [String: [IdentityReading]]

    public init(
        _ expectations: Expectations, nodeCount: Int, answeredBefore: Set<Receiver> = [],
        identitiesBefore: [String: [IdentityReading]] = [:]
    ) {
        self.identitiesBefore = identitiesBefore
        self.expectations = expectations
        self.nodeCount = nodeCount
        self.answeredBefore = answeredBefore
    }

    /// What can be said of every round.
    public func rounds(_ observation: Observation, cells: [Cell]) -> [ExpectationResult] {
        matrixResults(observation, cells: cells) + healthResults(observation) + wireResults(observation)
            + flowLogResults(observation) + nodeResults(observation) + identityResults(observation)
            + podResults(observation)
            + kubeProxyResults(observation)
    }

    /// What can be said once, at the step's end.
    public func final(_ observation: Observation) -> [ExpectationResult] {
        streamResults(observation) + dropResults(observation) + diagnosisResults(observation)
    }

    static func verdict(of results: [ExpectationResult]) -> Verdict {
        if results.contains(where: { $0.state == .error }) { return .infraError }
        if results.contains(where: { $0.state == .unmet }) { return .fail }
        if results.contains(where: { $0.state == .inconclusive }) { return .inconclusive }
        return .pass
    }
}

/// A result without a retry; time is filled in by the step.
func result(
    _ name: String, _ state: ExpectationResult.State, _ message: String, why: [WhyEntry] = []
) -> ExpectationResult {
    ExpectationResult(name: name, state: state, message: message, why: why, seconds: 0, retries: 0)
}

func namesOf(_ nodes: [String]) -> String { nodes.isEmpty ? "every node" : nodes.joined(separator: ", ") }
