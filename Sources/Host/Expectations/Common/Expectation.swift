import Matrix
import Observations
import RunEvents
import ScenarioReading
import Shapes

/// What a step may expect. A kind of expectation is one file, which holds its type, its key in scenario files, its
/// reading, its words and its judgement, and one line in `ExpectationCatalogue.kinds`.
package protocol Expectation: Codable, Sendable {
    /// The key below `expect`, the shape of its value and its help text. Parser, JSON Schema and messages are made from
    /// it.
    static var field: Field { get }

    /// When expectations of this kind are judged.
    static var moment: JudgementMoment { get }

    /// Reads the value below the key. Its shape has been checked. A part that does not match the shape is ignored.
    static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [Self]

    /// What is expected, on one line: `labrun scenario explain` prints it.
    var words: String { get }

    /// What has to be observed besides the matrix, for this expectation to be judged.
    var needs: Set<ObservationNeed> { get }

    /// Judges all expectations of this kind that a step has. The list is empty in a step that has none.
    static func judge(_ expected: [Self], by observation: Observation, in step: JudgedStep) -> [ExpectationResult]
}

extension Expectation {
    /// The key below `expect`.
    package static var key: String { field.name }

    package static var moment: JudgementMoment { .everyRound }

    package var needs: Set<ObservationNeed> { [] }

    /// Judges those of a step's expectations that are of this kind.
    static func judge(
        among all: [any Expectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        judge(all.compactMap { $0 as? Self }, by: observation, in: step)
    }
}

/// When a kind of expectation is judged.
package enum JudgementMoment: Sendable {
    /// After every round. A step measures again until all of these are met, or its time is over.
    case everyRound
    /// Once, from the last round, after it has been diagnosed. What is unmet because the host left the step too little
    /// time is inconclusive, as it is for `everyRound`.
    case lastRound
    /// Once, from what was observed throughout the step. The expectation itself regards what the host may have caused.
    case stepEnd
}

/// Something that is observed only in steps in which an expectation needs it, since it takes time or a program in the
/// nodes.
package enum ObservationNeed: Sendable, Hashable {
    /// What the agents say of their endpoints: `Observation.identities`.
    case identities
    /// The nodes' netfilter rules and processes: `Observation.kubeProxies`. Nodes get the userland disk for it.
    case kubeProxy
    /// How many packets the nodes' flow caches served since the step began: `Observation.flowCaches`.
    case flowCache
    /// The step's actions wait until the flow caches serve its streams: `Observation.servedStreams`.
    case servedStreams
    /// The run goes on although pods wait for their network, where it would otherwise end as a failure of the lab.
    case waitingPods
    /// What the API server has of an object: `Observation.objects`.
    case object(ObjectQuery)
    /// The API server's events since the step began: `Observation.events`.
    case events
    /// How agents stand with their API server: `Observation.serverConnections`.
    case serverConnections
    /// Flows that are opened before the step's actions and run through them: `Observation.streams`.
    case streams(CellSelection)

    /// The object that is needed; nil for other needs.
    package var object: ObjectQuery? {
        guard case .object(let query) = self else { return nil }
        return query
    }
}

/// What a judgement depends on besides the observation.
package struct JudgedStep: Sendable {
    /// How many nodes the lab has.
    package var nodeCount: Int
    /// Receivers that answered somebody earlier in the run, so that their silence now does not mean a dead listener.
    package var answeredBefore: Set<Receiver>
    /// What agents said of their endpoints in earlier steps, by the step's name.
    package var identitiesBefore: [String: [IdentityReading]]
    /// The round's cells, each with its verdict by the step's matrix rules.
    package var cells: [Cell] = []
}
