/// `metav1.LabelSelector`. The empty selector selects everything.
public struct LabelSelector: Codable, Sendable, Hashable {
    public enum Operator: String, Codable, Sendable, Hashable, CaseIterable {
        case `in` = "In"
        case notIn = "NotIn"
        case exists = "Exists"
        case doesNotExist = "DoesNotExist"
    }

    public struct Requirement: Codable, Sendable, Hashable {
        public var key: String
        public var `operator`: Operator
        @OrEmpty public var values: [String]
        public init(key: String, operator: Operator, values: [String] = []) {
            self.key = key
            self.operator = `operator`
            _values = OrEmpty(wrappedValue: values)
        }

        /// As `labels.Requirement.Matches` of apimachinery: `NotIn` holds for a label that is not there.
        public func matches(_ labels: [String: String]) -> Bool {
            switch `operator` {
            case .in: labels[key].map(values.contains) ?? false
            case .notIn: !(labels[key].map(values.contains) ?? false)
            case .exists: labels[key] != nil
            case .doesNotExist: labels[key] == nil
            }
        }
    }

    @OrEmpty public var matchLabels: [String: String]
    @OrEmpty public var matchExpressions: [Requirement]

    public init(matchLabels: [String: String] = [:], matchExpressions: [Requirement] = []) {
        _matchLabels = OrEmpty(wrappedValue: matchLabels)
        _matchExpressions = OrEmpty(wrappedValue: matchExpressions)
    }

    public var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }

    /// Whether all of its requirements hold.
    public func matches(_ labels: [String: String]) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value } && matchExpressions.allSatisfy { $0.matches(labels) }
    }
}
