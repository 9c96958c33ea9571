import Foundation
import JSON
import KubeObjects
import ServedObjects

/// A pod as the API server has it: what agents get of it, and what places it in the matrix.
struct ServedPod: Sendable, Equatable {
    /// The object that made it and keeps it (`metadata.ownerReferences`).
    struct Controller: Sendable, Hashable {
        var kind: String
        var name: String
    }

    var pod: Pod
    var controller: Controller?
    /// Why it does not run, in the words of scheduler and kubelet; nil if they have not said anything.
    var reason: String?

    var key: ObjectKey { pod.key }

    /// Whether it is one of its workload's pods still: neither ended nor being deleted.
    var isActive: Bool {
        pod.metadata.deletionTimestamp == nil && pod.status.phase != "Succeeded" && pod.status.phase != "Failed"
    }

    /// Whether it runs and has an address.
    var isRunning: Bool { isActive && pod.status.phase == "Running" && pod.status.podIP != nil }

    /// The workload that a user has made, by which the pod is called: a ReplicaSet's own maker is its deployment.
    var workload: Controller? {
        guard let controller, controller.kind == "ReplicaSet",
            let hash = pod.metadata.labels["pod-template-hash"], controller.name.hasSuffix("-\(hash)")
        else { return controller }
        return Controller(kind: "Deployment", name: String(controller.name.dropLast(hash.count + 1)))
    }

    /// - Throws: `DecodingError`, `JSONText.Mistake`.
    init(_ octets: [UInt8]) throws {
        pod = try ServedJSON.object(octets)
        let value = try JSONText.value(of: octets)
        let owners = value["metadata"]?["ownerReferences"]?.elements ?? []
        let owner = owners.first { $0["controller"] == .bool(true) } ?? owners.first
        if let kind = owner?["kind"]?.text, let name = owner?["name"]?.text {
            controller = Controller(kind: kind, name: name)
        }
        reason = Self.reason(value["status"])
    }

    init(pod: Pod, controller: Controller? = nil, reason: String? = nil) {
        self.pod = pod
        self.controller = controller
        self.reason = reason
    }

    private static func reason(_ status: JSONValue?) -> String? {
        func words(_ value: JSONValue?) -> String? {
            let parts = ["reason", "message"].compactMap { value?[$0]?.text }.filter { !$0.isEmpty }
            return parts.isEmpty ? nil : parts.joined(separator: ": ")
        }
        let containers =
            (status?["initContainerStatuses"]?.elements ?? []) + (status?["containerStatuses"]?.elements ?? [])
        for container in containers {
            if let waiting = container["state"]?["waiting"], let text = words(waiting) { return text }
        }
        let conditions = status?["conditions"]?.elements ?? []
        let scheduled = conditions.first { $0["type"]?.text == "PodScheduled" && $0["status"]?.text == "False" }
        return words(scheduled) ?? words(status)
    }
}
