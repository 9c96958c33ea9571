import JSON

/// The values that a label of a node may have: some, or all but some. Numbers may be bounded.
public struct LabelRequirement: Sendable, Hashable {
    public let key: String
    /// Whether all values but `values` are meant.
    var isComplement: Bool
    var values: Set<String>
    var above: Int64?
    var below: Int64?

    /// - Parameter comparison: `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`. Anything else, or a bound that is
    ///   no number, gives nil.
    init?(_ key: String, _ comparison: String, _ values: [String] = []) {
        self.key = key
        self.values = []
        isComplement = true
        switch comparison {
        case "In":
            isComplement = false
            self.values = Set(values)
        case "NotIn": self.values = Set(values)
        case "Exists": break
        case "DoesNotExist": isComplement = false
        case "Gt", "Lt":
            guard values.count == 1, let bound = Int64(values[0]) else { return nil }
            if comparison == "Gt" { above = bound } else { below = bound }
        default: return nil
        }
    }

    init(_ key: String, is value: String) {
        self.key = key
        isComplement = false
        values = [value]
    }

    init(_ object: JSONValue) throws(UnreadableObject) {
        guard let key = object.at("key")?.text, let comparison = object.at("operator")?.text,
            let requirement = LabelRequirement(key, comparison, try object.texts("values"))
        else { throw UnreadableObject("a requirement of labels has no key, or no operator that is known") }
        self = requirement
    }

    private func isWithinBounds(_ value: String) -> Bool {
        guard above != nil || below != nil else { return true }
        guard let number = Int64(value) else { return false }
        return (above.map { number > $0 } ?? true) && (below.map { number < $0 } ?? true)
    }

    func allows(_ value: String) -> Bool { values.contains(value) != isComplement && isWithinBounds(value) }

    /// What both allow.
    func intersection(_ other: LabelRequirement) -> LabelRequirement {
        var both = self
        both.above = [above, other.above].compactMap(\.self).max()
        both.below = [below, other.below].compactMap(\.self).min()
        if isComplement, other.isComplement {
            both.values.formUnion(other.values)
            if let above = both.above, let below = both.below, above == .max || below <= above + 1 {
                both = LabelRequirement(none: key)
            }
            return both
        }
        let some = isComplement ? other.values : values
        both.isComplement = false
        both.values = some.filter { allows($0) && other.allows($0) }
        (both.above, both.below) = (nil, nil)
        return both
    }

    private init(none key: String) {
        self.key = key
        isComplement = false
        values = []
    }

    /// Whether it allows no value at all.
    var isEmpty: Bool { !isComplement && values.isEmpty }

    /// Whether a node without the label meets it.
    var allowsAbsence: Bool { isComplement ? !values.isEmpty : values.isEmpty }

    var comparison: String {
        if isComplement { return values.isEmpty ? "Exists" : "NotIn" }
        return values.isEmpty ? "DoesNotExist" : "In"
    }

    /// As an element of a claim's `spec.requirements`.
    var json: JSONValue {
        var members: [String: JSONValue] = ["key": .string(key), "operator": .string(comparison)]
        if !values.isEmpty { members["values"] = .array(values.sorted().map { .string($0) }) }
        if isComplement, values.isEmpty, let bound = above ?? below {
            members["operator"] = .string(above == nil ? "Lt" : "Gt")
            members["values"] = .array([.string("\(bound)")])
        }
        return .object(members)
    }
}

extension LabelRequirement: CustomStringConvertible {
    /// `topology.kubernetes.io/zone In [lab-1a]`, with at most five values.
    public var description: String {
        var text = "\(key) \(comparison)"
        if !values.isEmpty {
            let rest = values.count > 5 ? " and \(values.count - 5) others" : ""
            text += " [" + values.sorted().prefix(5).joined(separator: " ") + rest + "]"
        }
        if let above { text += " >\(above)" }
        if let below { text += " <\(below)" }
        return text
    }
}

/// Requirements by label.
public struct LabelRequirements: Sendable, Hashable, CustomStringConvertible {
    private(set) var byKey: [String: LabelRequirement] = [:]

    /// Labels that an autoscaler gives every node, so that a pool need not name them.
    static let wellKnown: Set<String> = [
        "kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/hostname", "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "karpenter.sh/capacity-type",
        "karpenter.sh/nodepool", "node.kubernetes.io/windows-build",
    ]
    /// Older names of labels, and what they are called now.
    private static let newNames = [
        "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
        "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/arch": "kubernetes.io/arch", "beta.kubernetes.io/os": "kubernetes.io/os",
    ]

    init() {}

    /// Each label must have its value.
    init(labels: [String: String]) { for (key, value) in labels { add(LabelRequirement(key, is: value)) } }

    init(_ requirements: some Sequence<LabelRequirement>) { for one in requirements { add(one) } }

    /// Adds a requirement to those of the same label.
    mutating func add(_ requirement: LabelRequirement) {
        var one = requirement
        if let name = Self.newNames[one.key] {
            var renamed = LabelRequirement(name, is: "")
            (renamed.isComplement, renamed.values) = (one.isComplement, one.values)
            (renamed.above, renamed.below) = (one.above, one.below)
            one = renamed
        }
        byKey[one.key] = byKey[one.key].map { $0.intersection(one) } ?? one
    }

    func adding(_ others: LabelRequirements) -> LabelRequirements {
        var all = self
        for other in others.byKey.values { all.add(other) }
        return all
    }

    /// Why a node with these labels does not meet what a pod requires, in words; nil if it does.
    ///
    /// - Parameter undefined: Labels that the node will have though nothing is said of their values yet.
    func objection(to required: LabelRequirements, undefined: Set<String>) -> String? {
        for (key, one) in required.byKey.sorted(by: { $0.key < $1.key }) {
            guard let own = byKey[key] else {
                if undefined.contains(key) || one.allowsAbsence { continue }
                return "label \"\(key)\" does not have known values"
            }
            if own.intersection(one).isEmpty, !(own.allowsAbsence && one.allowsAbsence) {
                return "key \(key), \(one) not in \(own)"
            }
        }
        return nil
    }

    public var description: String {
        byKey.values.map(\.description).sorted().joined(separator: ", ")
    }

    var json: JSONValue { .array(byKey.values.sorted { $0.key < $1.key }.map(\.json)) }

    /// Labels of which one value only is allowed.
    var singleValues: [String: String] {
        byKey.compactMapValues { !$0.isComplement && $0.values.count == 1 ? $0.values.first : nil }
    }
}
