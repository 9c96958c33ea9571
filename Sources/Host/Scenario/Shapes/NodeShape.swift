import ScenarioReading
import Shapes

/// Shapes of what a lab file says of its nodes' membership in the cluster.
enum NodeShape {
    /// More labels or taints of a node are a mistake.
    static let most = 40

    static let later = Field(
        "later", .integer(0...LabProfile.mostNodes - 1),
        "How many of them, the last ones, are not powered on before a step joins them; 0.")

    static let kubelet = Field(
        "kubelet", .choice(NodeKubeletKind.allCases.map(\.rawValue)),
        "Whether their kubelet is labrun's own, or Kubernetes' with containerd and runc; light.")

    /// What a lab and the overrides of a scenario may say of labels and taints.
    static let traitFields = [
        labels, taints, evictionHard,
        Field("named", .list(.object(named), atLeast: 1), "Labels and taints of some nodes only."),
    ]

    static let evictionHard = Field(
        "evictionHard", .object(thresholds),
        "What a node must have left, else its kubelet evicts pods; memory.available: 5%, at most 100Mi.")

    private static let thresholds = ObjectShape(
        name: "evictionHard", help: "Thresholds, as in a kubelet's configuration.",
        fields: [Field("memory.available", .text(threshold), required: true, "Memory.")])

    private static let threshold = TextRule(
        pattern: "^([0-9]{1,9}(Ki|Mi|Gi)|[0-9]{1,2}%)$", expected: "memory such as 40Mi, or a share such as 10%"
    ) { text in
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        return (1...9).contains(digits.count) && ["Ki", "Mi", "Gi"].contains(unit)
            || (1...2).contains(digits.count) && unit == "%"
    }

    private static let labels = Field(
        "labels", .map(labelKey, .text(labelValue)), "Labels of their Node objects, besides those that kubelets set.")

    private static let taints = Field(
        "taints", .list(.object(taint), atLeast: 0),
        "Taints that their kubelets register them with, in a lab with a control plane.")

    private static let taint = ObjectShape(
        name: "taint", help: "What keeps pods without a toleration for it away from a node.",
        fields: [
            Field("key", .text(labelKey), required: true, "Key, such as node.cilium.io/agent-not-ready."),
            Field("value", .text(labelValue), "Value; none."),
            Field("effect", .choice(NodeTraits.Taint.effects), required: true, "What becomes of such pods."),
        ])

    private static let named = ObjectShape(
        name: "named nodes", help: "Labels and taints of some nodes, besides those of all.",
        fields: [
            Field("nodes", .nodes(orNone: false), required: true, "The nodes."), labels, taints,
        ], oneOf: ["labels", "taints"])

    private static let name = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"

    private static let labelKey = TextRule(
        pattern: "^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?\(name)$", expected: "a label's key such as example.com/pool"
    ) { text in
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let last = parts.last, parts.count <= 2, isName(last) else { return false }
        return parts.count == 1 || isDomain(parts[0])
    }

    private static let labelValue = TextRule(
        pattern: "^(\(name))?$", expected: "a label's value: at most 63 letters, digits, dashes, dots and underscores"
    ) { $0.isEmpty || isName($0) }

    private static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy { isAlphanumeric($0) || [45, 46, 95].contains($0) }
    }

    private static func isDomain(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...253).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        func isLower(_ byte: UInt8) -> Bool { isAlphanumeric(byte) && !(65...90).contains(byte) }
        return isLower(first) && isLower(last) && bytes.allSatisfy { isLower($0) || [45, 46].contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
    }
}
