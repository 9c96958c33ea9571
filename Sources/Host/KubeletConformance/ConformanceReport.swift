/// What a comparison has found: what is known, what is new, and which known differences did not show.
public struct ConformanceReport: Sendable {
    public let subjects: Int
    /// How many values both told.
    public let agreed: Int
    public let explained: [(difference: Difference, reason: String)]
    public let unexplained: [Difference]
    /// Known differences that there was no trace of.
    public let unseen: [KnownDifference]

    public init(light: KubeletTrace, real: KubeletTrace, known: [KnownDifference] = KnownDifferences.all) {
        let differences = Comparison.differences(light: light, real: real)
        subjects = Set(light.values.keys).intersection(real.values.keys).count
        var agreed = 0
        for (subject, aspects) in light.values {
            for (aspect, values) in aspects {
                let others = real.values[subject]?[aspect] ?? []
                agreed += values.count { others.contains($0) }
            }
        }
        self.agreed = agreed
        var seen: Set<Int> = []
        var explained: [(difference: Difference, reason: String)] = []
        var unexplained: [Difference] = []
        for difference in differences {
            if let index = known.firstIndex(where: { $0.covers(difference) }) {
                seen.insert(index)
                explained.append((difference, known[index].reason))
            } else {
                unexplained.append(difference)
            }
        }
        self.explained = explained
        self.unexplained = unexplained
        unseen = known.enumerated().filter { !seen.contains($0.offset) }.map(\.element)
    }

    /// Lines for people.
    public var lines: [String] {
        var lines = ["\(subjects) subjects in both runs, \(agreed) equal values"]
        func text(_ difference: Difference) -> String {
            "\(difference.subject), \(difference.aspect), \(difference.side.rawValue): \(difference.value)"
        }
        for difference in unexplained { lines.append("DIFFERS  " + text(difference)) }
        for (difference, reason) in explained { lines.append("known    \(text(difference)) [\(reason)]") }
        for known in unseen {
            lines.append("unseen   \(known.subject ?? "any"), \(known.aspect) \(known.mentions) [\(known.reason)]")
        }
        lines.append("\(unexplained.count) differences without a reason, \(explained.count) with one")
        return lines
    }
}
