public import JSON
import ScenarioReading

/// How the datapath agent comes to a lab's nodes, from `datapath.install` and `datapath.daemonSet`.
public struct DatapathInstallation: Codable, Sendable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// The node's runtime starts it, on every node.
        case process
        /// It is a pod of the DaemonSet `kube-system/labrun-datapath`: the control plane decides where it runs, and the
        /// node's kubelet starts it.
        case daemonSet = "daemonset"
    }

    public var kind = Kind.process
    /// What decides on which nodes it runs, in place of the usual: `nodeSelector`, `affinity`, `tolerations`, as in a
    /// pod's spec.
    public var placement: [String: JSONValue] = [:]

    public init() {}
}

extension LabProfile {
    /// Why the agent cannot come to the nodes in the way that is asked for; nil if it can.
    func installationMistake() -> (message: String, expected: String)? {
        guard installation.kind == .daemonSet, !controlPlane.enabled else { return nil }
        return (
            "a DaemonSet needs a control plane, and lab \(name) has none",
            "\"controlPlane: {enabled: true}\", or \"install: process\""
        )
    }
}

extension DatapathInstallation {
    static let placementKeys = ["nodeSelector", "affinity", "tolerations"]

    /// What a file's `datapath.daemonSet` says.
    static func placement(_ value: YAMLValue?) -> [String: JSONValue] {
        let given = placementKeys.compactMap { key in value?[key].map { (key, $0.served) } }
        return Dictionary(given) { first, _ in first }
    }
}
