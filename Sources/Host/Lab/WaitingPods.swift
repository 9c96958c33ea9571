import CloudAPI
public import Scenario

/// A pod that its node's network plugin refused. Like a kubelet, the cluster asks for it again.
public struct WaitingPod: Sendable, Hashable {
    public let planned: PlannedPod
    /// The plugin's error, in its own words.
    public let reason: String
}

/// A node did not make a pod.
struct PodRefusal: Error {
    let endpointID: String
    let node: String
    let reason: String

    var failure: LabError { LabError(.request, "pod \(endpointID) on \(node) did not start: \(reason)") }
}

extension Cluster {
    /// Pods that wait for their network, by name.
    public var waitingPods: [WaitingPod] { objectStore.waitingPods }

    /// Asks for the waiting pods again. With a control plane, kubelets do that by themselves.
    public func retryWaitingPods() async throws {
        let planned = server == nil ? waitingPods.map(\.planned) : []
        if !planned.isEmpty { try await start(planned, keepsWaiting: true) }
    }

    /// Gives every node another instance type, as a cloud does: the machine is stopped, changed, and started again with
    /// the interfaces that it had. Its pods are made anew.
    ///
    /// - Throws: `LabError` if the machines have no room for the type's interfaces.
    func resize(to type: String) async throws {
        guard let cloud, let limits = InstanceLimits.byType[type] else {
            throw LabError(.plan, "unknown instance type \(type)")
        }
        let slots = 1 + plan.profile.cloud.interfaces.count + plan.hotplugSlots
        guard limits.interfaces <= slots else {
            throw LabError(
                .plan,
                "\(type) has \(limits.interfaces) interfaces; the lab's machines were made for \(slots): "
                    + "set nodes.instanceType in the lab to a type with as many")
        }
        let present = presentNodes
        tolerate(present.map(\.name), true)
        defer { tolerate(present.map(\.name), false) }
        for node in nodes where !isPresent(node.name) { try await cloud.interfaces.resize(node.name, to: type, limits) }
        try await onAll(present) { node in
            try await node.machine.stop()
            try await node.wait(for: "stopped", within: self.slack) { $0.power == .stopped }
            try await cloud.interfaces.resize(node.name, to: type, limits)
            try await self.restart(node, within: .seconds(90))
        }
    }
}
