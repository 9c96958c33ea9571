import JSON

/// `v1.NodeSelectorTerm`: holds for a node if all its requirements do. An empty one holds for none.
public struct NodeSelectorTerm: Sendable, Equatable {
    public struct Requirement: Sendable, Equatable {
        public let key: String
        /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`
        public let comparison: String
        public let values: [String]

        init(_ fields: ObjectFields) throws(UnreadablePod) {
            key = try fields.requiredText("key")
            comparison = try fields.text("operator") ?? ""
            values = try fields.texts("values")
        }

        func holds(for value: String?) -> Bool {
            switch comparison {
            case "In": value.map(values.contains) ?? false
            case "NotIn": value.map { !values.contains($0) } ?? true
            case "Exists": value != nil
            case "DoesNotExist": value == nil
            case "Gt", "Lt":
                if values.count == 1, let number = value.flatMap({ Int64($0) }), let bound = Int64(values[0]) {
                    comparison == "Gt" ? number > bound : number < bound
                } else {
                    false
                }
            default: false
            }
        }
    }

    public let labels: [Requirement]
    /// Only `metadata.name` is a field.
    public let fields: [Requirement]

    init(_ term: ObjectFields) throws(UnreadablePod) {
        labels = try term.list("matchExpressions") { fields throws(UnreadablePod) in try Requirement(fields) }
        fields = try term.list("matchFields") { fields throws(UnreadablePod) in try Requirement(fields) }
    }

    func holds(labels nodeLabels: [String: String], nodeName: String) -> Bool {
        guard !(labels.isEmpty && fields.isEmpty) else { return false }
        return labels.allSatisfy { $0.holds(for: nodeLabels[$0.key]) }
            && fields.allSatisfy { $0.holds(for: $0.key == "metadata.name" ? nodeName : nil) }
    }
}

/// `v1.Toleration`
public struct Toleration: Sendable, Equatable {
    public let key: String
    /// `Equal` or `Exists`
    public let comparison: String
    public let value: String
    public let effect: String

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        key = try fields.text("key") ?? ""
        comparison = try fields.text("operator") ?? "Equal"
        value = try fields.text("value") ?? ""
        effect = try fields.text("effect") ?? ""
    }

    func tolerates(_ taint: Taint) -> Bool {
        guard effect.isEmpty || effect == taint.effect, key.isEmpty || key == taint.key else { return false }
        return comparison == "Exists" || (comparison == "Equal" || comparison.isEmpty) && value == taint.value
    }
}

extension PodSpec {
    /// Whether `nodeSelector` and the required node affinity hold for a node.
    func selects(labels: [String: String], nodeName: String) -> Bool {
        nodeSelector.allSatisfy { labels[$0.key] == $0.value }
            && (requiredTerms?.contains { $0.holds(labels: labels, nodeName: nodeName) } ?? true)
    }
}
