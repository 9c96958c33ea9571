import Shapes

/// `metav1.LabelSelector`. The empty selector selects everything.
public struct LabelSelector: FieldStruct {
    public enum Operator: String, FieldWord {
        case `in` = "In"
        case notIn = "NotIn"
        case exists = "Exists"
        case doesNotExist = "DoesNotExist"
    }

    public struct Requirement: FieldStruct {
        public var key = ""
        public var `operator` = Operator.exists
        public var values: [String] = []

        public init() {}
        public init(key: String, operator: Operator, values: [String] = []) {
            self.key = key
            self.operator = `operator`
            self.values = values
        }

        public static var about: StructDescription {
            StructDescription("label requirement", "A condition of a label.")
        }
        public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
            try visitor.required("key", &key, as: .text(.nonEmpty), "Label.")
            try visitor.required("operator", &`operator`, "What must hold.")
            try visitor.field("values", &values, "Values, of In and NotIn.")
        }

        /// Answers as `labels.Requirement.Matches` of apimachinery: `NotIn` holds for a label that is not there.
        public func matches(_ labels: [String: String]) -> Bool {
            switch `operator` {
            case .in: labels[key].map(values.contains) ?? false
            case .notIn: !(labels[key].map(values.contains) ?? false)
            case .exists: labels[key] != nil
            case .doesNotExist: labels[key] == nil
            }
        }
    }

    public var matchLabels: [String: String] = [:]
    public var matchExpressions: [Requirement] = []

    public init() {}
    public init(matchLabels: [String: String] = [:], matchExpressions: [Requirement] = []) {
        self.matchLabels = matchLabels
        self.matchExpressions = matchExpressions
    }

    public static var about: StructDescription {
        StructDescription("label selector", "All of it must hold; the empty one selects everything.")
    }
    public mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue) {
        try visitor.field("matchLabels", &matchLabels, "Labels.")
        try visitor.field("matchExpressions", &matchExpressions, "Conditions.")
    }

    public var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }

    /// Answers whether all of its requirements hold.
    public func matches(_ labels: [String: String]) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value } && matchExpressions.allSatisfy { $0.matches(labels) }
    }
}
