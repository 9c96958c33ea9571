import Observations
import Readings
import RunEvents
import ScenarioReading
import Shapes

/// Flows that are opened before the step's actions and run through them.
package struct StreamExpectation: Codable, Sendable {
    package var cells: CellSelection
    /// Whether the flows must still be answered at the end of the step, over every protocol.
    package var survive: Bool
    /// The longest time without an answer that is accepted, in milliseconds. It is nil if the time is only reported.
    package var maxGapMillis: Int?
}

// MARK: Shape

extension StreamExpectation: Expectation {
    package static let field = Field(
        "streams",
        .list(
            .object(
                ObjectShape(
                    name: "stream expectation",
                    help: "Flows opened before the step's actions and running through them.",
                    fields: [
                        .from, .to, .placement,
                        Field("protocol", .oneOrMore(.echoedProtocols), "All measured ones when left out."),
                        Field(
                            "survive", .flag,
                            "Whether established TCP connections must be alive at the end; true."),
                        Field("maxGap", .duration(0.001...600), "Longest time without an answer that is accepted."),
                    ])), atLeast: 1), "Flows that ran through the step's actions.")

    package static let moment = JudgementMoment.stepEnd

    package var needs: Set<ObservationNeed> { [.streams(cells)] }
}

// MARK: Reading

extension StreamExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [StreamExpectation] {
        entry.value.items.map { item in
            StreamExpectation(
                cells: reader.cells(item), survive: item["survive"]?.flag ?? true,
                maxGapMillis: item["maxGap"]?.text.flatMap(Units.seconds).map { Int(($0 * 1000).rounded()) })
        }
    }
}

// MARK: Words

extension StreamExpectation {
    /// For example `streams pod → pod, cross-node, tcp: connections survive, longest gap 500ms`.
    package var words: String {
        let text = "streams \(cells.words)" + (survive ? ": connections survive" : ": measured")
        return text + (maxGapMillis.map { ", longest gap \(Units.text(seconds: Double($0) / 1000))" } ?? "")
    }
}

// MARK: Judgement

extension StreamExpectation {
    package static func judge(
        _ expected: [StreamExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.flatMap { expected in
            (expected.cells.protocols.isEmpty ? ProbeProtocol.echoed : expected.cells.protocols).map {
                expected.judge($0, observation)
            }
        }
    }

    private func judge(_ proto: ProbeProtocol, _ observation: Observation) -> ExpectationResult {
        let streams = observation.streams.filter { $0.protocol == proto && cells.covers($0.from, $0.to) }
        let place = cells.where.map { " \($0.rawValue)" } ?? ""
        let title = "streams: \(proto.rawValue) \(cells.from.title) → \(cells.to.title)\(place)"
        guard !streams.isEmpty else { return ExpectationResult(title, .inconclusive, "no stream was open") }
        let dead = streams.filter { !$0.isLive }
        let longest = streams.map(\.longestGapMillis).max() ?? 0
        let sent = streams.reduce(0) { $0 + $1.sent }
        let lost = streams.reduce(0) { $0 + $1.sent - $1.answered }
        let words =
            "\(streams.count - dead.count) of \(streams.count) streams live, longest gap \(longest) ms, "
            + "\(lost) of \(sent) messages unanswered"
        if survive, let first = dead.first(where: { !$0.isStarved(observation.starvation) }) ?? dead.first {
            return ExpectationResult(
                title, first.isStarved(observation.starvation) ? .inconclusive : .unmet,
                "\(words); \(first.from.id) → \(first.to.id) \(first.silence)")
        }
        // A flow that has ended is not answered any more, which is a gap that no host explains.
        if let limit = maxGapMillis, let over = streams.first(where: { $0.ended != nil && $0.gapAtEnd > limit }) {
            return ExpectationResult(
                title, .unmet,
                "\(words); at most \(limit) ms were accepted, and \(over.from.id) → \(over.to.id) \(over.silence) "
                    + "at least \(over.gapAtEnd) ms before the step's end")
        }
        if let limit = maxGapMillis,
            let claim = TimeClaim.gaps(
                streams.map(\.longestGapMillis), limit: limit, starvation: observation.starvation)
        {
            return ExpectationResult(title, claim.explained ? .inconclusive : .unmet, "\(words); \(claim.words)")
        }
        if let unread = streams.first(where: { $0.silentMillis == nil }) {
            return ExpectationResult(
                title, .inconclusive, "\(words); \(unread.from.id) → \(unread.to.id) \(unread.silence)")
        }
        return ExpectationResult(title, .met, words)
    }
}

extension StreamObservation {
    /// The time without an answer up to the step's end, in milliseconds, less the interval between messages.
    fileprivate var gapAtEnd: Int { max(0, (silentMillis ?? 0) - intervalMillis) }
}
