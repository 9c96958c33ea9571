import Readings
import RunEvents
import Scenario

extension Judge {
    /// Flows that were opened before the step's actions and ran through them.
    func streamResults(_ observation: Observation) -> [ExpectationResult] {
        expectations.streams.flatMap { expected -> [ExpectationResult] in
            let protocols = expected.protocols.isEmpty ? ProbeProtocol.echoed : expected.protocols
            return protocols.map { proto in
                let streams = observation.streams.filter {
                    $0.protocol == proto && expected.from.matches($0.from) && expected.to.matches($0.to)
                        && (expected.where?.matches($0.from, $0.to) ?? true)
                }
                let place = expected.where.map { " \($0.rawValue)" } ?? ""
                let title = "streams: \(proto.rawValue) \(expected.from.words) → \(expected.to.words)\(place)"
                guard !streams.isEmpty else { return result(title, .inconclusive, "no stream was open") }
                let dead = streams.filter { !$0.isLive }
                let longest = streams.map(\.longestGapMillis).max() ?? 0
                let sent = streams.reduce(0) { $0 + $1.sent }
                let lost = streams.reduce(0) { $0 + $1.sent - $1.answered }
                let words =
                    "\(streams.count - dead.count) of \(streams.count) streams live, longest gap \(longest) ms, "
                    + "\(lost) of \(sent) messages unanswered"
                if expected.survive,
                    let first = dead.first(where: { !$0.isStarved(observation.starvation) }) ?? dead.first
                {
                    return result(
                        title, first.isStarved(observation.starvation) ? .inconclusive : .unmet,
                        "\(words); \(first.from.id) → \(first.to.id) \(first.silence)")
                }
                if let limit = expected.maxGapMillis,
                    let claim = TimeClaim.gaps(
                        streams.map(\.longestGapMillis), limit: limit, starvation: observation.starvation)
                {
                    return result(title, claim.explained ? .inconclusive : .unmet, "\(words); \(claim.words)")
                }
                if let unread = streams.first(where: { $0.silentMillis == nil }) {
                    return result(
                        title, .inconclusive, "\(words); \(unread.from.id) → \(unread.to.id) \(unread.silence)")
                }
                return result(title, .met, words)
            }
        }
    }
}
