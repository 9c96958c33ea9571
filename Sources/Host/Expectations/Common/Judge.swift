import Matrix
import Observations
import RunEvents

/// Judges a step's observations by what the step expects. It is pure: the same observation gives the same results.
package struct Judge: Sendable {
    package let expectations: Expectations
    private let kinds: [any Expectation.Type]
    private let step: JudgedStep

    /// - Parameters:
    ///   - kinds: the kinds of expectations that there are.
    ///   - nodeCount: how many nodes the lab has.
    ///   - answeredBefore: receivers that answered somebody earlier in the run.
    ///   - identitiesBefore: what agents said of their endpoints in earlier steps, by the step's name.
    package init(
        _ expectations: Expectations, kinds: [any Expectation.Type] = ExpectationCatalogue.kinds, nodeCount: Int,
        answeredBefore: Set<Receiver> = [], identitiesBefore: [String: [IdentityReading]] = [:]
    ) {
        self.expectations = expectations
        self.kinds = kinds
        step = JudgedStep(nodeCount: nodeCount, answeredBefore: answeredBefore, identitiesBefore: identitiesBefore)
    }

    /// The round's cells with what is expected of each, and whether it is so.
    package func cells(_ observation: Observation) -> [Cell] {
        expectations.of(MatrixExpectation.self).cells(observation)
    }

    /// The results that can be given after every round.
    package func rounds(_ observation: Observation, cells: [Cell]) -> [ExpectationResult] {
        results(at: .everyRound, observation, cells: cells)
    }

    /// The results that can only be given at the step's end.
    package func final(_ observation: Observation) -> [ExpectationResult] {
        results(at: .stepEnd, observation, cells: [])
    }

    private func results(
        at moment: JudgementMoment, _ observation: Observation, cells: [Cell]
    ) -> [ExpectationResult] {
        var step = self.step
        step.cells = cells
        return kinds.filter { $0.moment == moment }.flatMap {
            $0.judge(among: expectations.all, by: observation, in: step)
        }
    }

    /// What a step's results come to.
    package static func verdict(of results: [ExpectationResult]) -> Verdict {
        if results.contains(where: { $0.state == .error }) { return .infraError }
        if results.contains(where: { $0.state == .unmet }) { return .fail }
        if results.contains(where: { $0.state == .inconclusive }) { return .inconclusive }
        return .pass
    }
}
