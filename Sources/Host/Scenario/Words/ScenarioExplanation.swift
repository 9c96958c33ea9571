import Expectations
import Readings
import ScenarioReading

/// Describes in words what a scenario will do. Nothing is started for it.
public struct ScenarioExplanation: Sendable, CustomStringConvertible {
    private let loaded: LoadedScenario
    private let faults: [FaultDescriptor]

    public init(_ loaded: LoadedScenario, faults: [FaultDescriptor]) {
        self.loaded = loaded
        self.faults = faults
    }

    public var description: String {
        (heading + lab + workloads + matrix + timeline).joined(separator: "\n")
    }

    private var heading: [String] {
        let metadata = loaded.scenario.metadata
        var lines = ["\(metadata.name): \(metadata.title)"]
        let text = metadata.description.split(separator: "\n", omittingEmptySubsequences: false)
        if !metadata.description.isEmpty { lines += [""] + text.map { $0.isEmpty ? "" : "  \($0)" } }
        while lines.last == "" { lines.removeLast() }
        return lines + [""]
    }

    private var lab: [String] {
        let profile = loaded.profile
        let count = profile.nodeCount
        let values = profile.datapathValues.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        var lines = [
            "Lab \(profile.name): \(profile.title)",
            "  \(count) \(count == 1 ? "node" : "nodes") (\(profile.nodeNames.joined(separator: ", "))), "
                + "kernel \(profile.kernel), \(profile.memoryMiB) MiB each",
            "  nodes in \(profile.subnetCIDR) of VPC \(profile.vpcCIDR), pods in \(profile.podCIDR), "
                + "/\(profile.podMaskSize) a node",
            "  datapath: " + values.joined(separator: ", "),
        ]
        if profile.kubelet == .real {
            lines.append("  their kubelet is Kubernetes' own, with containerd and runc")
        }
        let later = profile.laterNodeNames
        if !later.isEmpty { lines.append("  not there before a step joins them: " + later.joined(separator: ", ")) }
        for name in profile.nodeNames where !profile.traits(of: name).isEmpty {
            lines.append("  \(name): " + profile.traits(of: name).words)
        }
        if let place = profile.controlPlanePlace {
            lines.append(
                "  control plane of Kubernetes' own servers at \(place.address) in subnet \(place.subnet), "
                    + (profile.controlPlane.binaries.map { "from \($0)" } ?? "those that labrun builds")
                    + (profile.controlPlane.version.map { ", version \($0)" } ?? ""))
        }
        for group in profile.securityGroups where profile.nodeSecurityGroups.contains(group.name) {
            lines.append("  security group \(group.name) lets in " + ingress(group))
        }
        return lines + [""]
    }

    private func ingress(_ group: LabProfile.SecurityGroup) -> String {
        let rules = group.rules.filter { $0.direction == "ingress" }.map { rule in
            let ports = rule.ports.map { " \(ParameterValue.ports($0).words)" } ?? ""
            return "\(rule.protocol)\(ports) from \(rule.peer) (\(rule.name))"
        }
        return rules.isEmpty ? "nothing" : rules.joined(separator: ", ")
    }

    private var workloads: [String] {
        let nodes = loaded.profile.initialNodeNames
        if loaded.profile.controlPlane.enabled {
            let pods = endpoints.filter { $0.kind == .pod }
            return ["Objects for the API server, with \(pods.count) \(pods.count == 1 ? "pod" : "pods") in the matrix"]
                + loaded.scenario.spec.served.map { "  \($0.words) of \($0.apiVersion)" } + [""]
        }
        let pods = WorkloadPlacement.pods(for: loaded.scenario.spec.workloads, nodes: nodes)
        var lines = ["Workloads: \(pods.count) \(pods.count == 1 ? "pod" : "pods")"]
        lines += loaded.scenario.spec.workloads.map { "  \(words(of: $0)), port \($0.port)" }
        lines += loaded.scenario.spec.objects.map { "  \($0.kind.manifestKind) \($0.key)" }
        for node in nodes {
            let names = pods.filter { $0.node == node }.map(\.endpointID)
            lines.append("  \(node): " + (names.isEmpty ? "no pods" : names.joined(separator: ", ")))
        }
        return lines + [""]
    }

    private func words(of workload: Workload) -> String {
        let size = workload.kind == .deployment ? ", \(workload.replicas) replicas" : ""
        let node = workload.nodeName.map { " on \($0)" } ?? ""
        return "\(workload.kind.rawValue) \(workload.namespace)/\(workload.name)\(size)\(node)"
    }

    private var endpoints: [Endpoint] {
        WorkloadPlacement.endpoints(
            for: loaded.scenario.spec.workloads, objects: loaded.scenario.spec.objects,
            nodes: loaded.profile.initialNodeNames,
            cloud: loaded.profile.cloudEndpoints)
            + loaded.scenario.spec.served.flatMap { manifest -> [Endpoint] in
                guard let value = manifest.value else { return [] }
                return ServedObject(manifest, value).endpoints(
                    nodes: loaded.profile.initialNodeNames, echo: EchoPort(loaded.profile.images))
            }
    }

    private var matrix: [String] {
        let plan = loaded.scenario.spec.probes
        let pairs = plan.measuredPairs(among: endpoints).count
        let cells = plan.cells(among: endpoints).count
        let protocols = plan.protocols.map(\.rawValue)
        let packets = plan.count == 1 ? "one packet" : "\(plan.count) packets of UDP and ICMP"
        return [
            "Matrix: \(cells) cells (\(pairs) ordered pairs over \(protocols.joined(separator: ", ")))",
            "  " + plan.pairs.map { "\($0.from.words) → \($0.to.words)" }.joined(separator: "; "),
            "  \(packets) a cell, answered within \(Units.text(seconds: plan.deadline))",
        ] + plan.requests.map { "  \($0.words)" } + [""]
    }

    private var timeline: [String] {
        var lines = ["Timeline"]
        for (index, step) in loaded.scenario.spec.timeline.enumerated() {
            lines.append("  \(index + 1). \(step.name)" + (step.title == step.name ? "" : ": \(step.title)"))
            lines += step.actions.map { "     do      \($0.words(faults))" }
            if let expect = step.expect {
                lines.append("     expect  within \(Units.text(seconds: expect.within)):")
                lines += expect.words.map { "       - \($0)" }
            } else {
                lines.append("     expect  nothing")
            }
        }
        lines.append("  Then every fault that is still active is healed, and nothing may be left behind.")
        return lines
    }
}
