/// In what two kubelets differ that were given the same.
public struct Difference: Sendable, Equatable {
    public enum Side: String, Sendable, CaseIterable {
        /// The value came from the light kubelet only.
        case light
        /// The value came from the real one only.
        case real
        /// Both told the same values, in another order.
        case order
    }

    /// `node`, or a pod's name.
    public var subject: String
    /// `phase`, `container web`, `condition Ready`, `events`, `network`.
    public var aspect: String
    public var side: Side
    public var value: String
}

public enum Comparison {
    /// All differences, by subject and aspect.
    public static func differences(light: KubeletTrace, real: KubeletTrace) -> [Difference] {
        let subjects = Set(light.values.keys).union(real.values.keys).sorted()
        return subjects.flatMap { subject in
            let (left, right) = (light.values[subject] ?? [:], real.values[subject] ?? [:])
            return Set(left.keys).union(right.keys).sorted().flatMap { aspect in
                differences(left[aspect] ?? [], right[aspect] ?? []).map {
                    Difference(subject: subject, aspect: aspect, side: $0.side, value: $0.value)
                }
            }
        }
    }

    private static func differences(_ light: [String], _ real: [String]) -> [(side: Difference.Side, value: String)] {
        var found: [(side: Difference.Side, value: String)] = []
        for value in light where !real.contains(value) { found.append((.light, value)) }
        for value in real where !light.contains(value) { found.append((.real, value)) }
        let (left, right) = (light.filter { real.contains($0) }, real.filter { light.contains($0) })
        if left != right {
            found.append((.order, left.joined(separator: " → ") + " | " + right.joined(separator: " → ")))
        }
        return found
    }
}

/// A difference that is known, and why it stays.
public struct KnownDifference: Sendable {
    /// A subject's name; nil for any.
    public var subject: String?
    /// How the aspect's name begins.
    public var aspect: String
    /// Nil for any.
    public var side: Difference.Side?
    /// A part of the value.
    public var mentions: String
    public var reason: String

    public init(
        subject: String? = nil, aspect: String, side: Difference.Side? = nil, mentions: String = "", reason: String
    ) {
        self.subject = subject
        self.aspect = aspect
        self.side = side
        self.mentions = mentions
        self.reason = reason
    }

    public func covers(_ difference: Difference) -> Bool {
        (subject == nil || subject == difference.subject) && difference.aspect.hasPrefix(aspect)
            && (side == nil || side == difference.side)
            && (mentions.isEmpty || difference.value.contains(mentions))
    }
}
