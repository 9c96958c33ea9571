import Matrix
import Observations
import RunEvents

/// Judges a step's observations by what the step expects. It is pure: the same observation gives the same results.
package struct Judge: Sendable {
    package let expectations: Expectations
    private let kinds: [any Expectation.Type]
    private let step: JudgedStep

    /// - Parameters:
    ///   - kinds: The kinds of expectations that there are.
    ///   - nodeCount: The number of the lab's nodes.
    ///   - answeredBefore: The receivers that answered somebody earlier in the run.
    ///   - identitiesBefore: What agents reported of their endpoints in earlier steps, by the step's name.
    package init(
        _ expectations: Expectations, kinds: [any Expectation.Type] = ExpectationCatalogue.kinds, nodeCount: Int,
        answeredBefore: Set<Receiver> = [], identitiesBefore: [String: [IdentityReading]] = [:]
    ) {
        self.expectations = expectations
        self.kinds = kinds
        step = JudgedStep(nodeCount: nodeCount, answeredBefore: answeredBefore, identitiesBefore: identitiesBefore)
    }

    /// Returns the round's cells, each with what is expected of it and its verdict.
    package func cells(_ observation: Observation) -> [Cell] {
        expectations.of(MatrixExpectation.self).cells(observation)
    }

    /// The results that can be given after every round.
    package func rounds(_ observation: Observation, cells: [Cell]) -> [ExpectationResult] {
        var step = self.step
        step.cells = cells
        return kinds.filter { $0.moment == .everyRound }.flatMap {
            $0.judge(among: expectations.all, by: observation, in: step)
        }
    }

    /// The results that can only be given at the step's end.
    ///
    /// - Parameter time: How much of the step's time the host left to the nodes.
    package func final(_ observation: Observation, time: StepTime) -> [ExpectationResult] {
        kinds.filter { $0.moment != .everyRound }.flatMap { kind in
            let results = kind.judge(among: expectations.all, by: observation, in: step)
            return kind.moment == .lastRound ? time.takingBack(results) : results
        }
    }

    /// Returns the verdict that follows from a step's results.
    package static func verdict(of results: [ExpectationResult]) -> Verdict {
        if results.contains(where: { $0.state == .error }) { return .infraError }
        if results.contains(where: { $0.state == .unmet }) { return .fail }
        if results.contains(where: { $0.state == .inconclusive }) { return .inconclusive }
        return .pass
    }
}
