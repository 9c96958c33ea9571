import CloudAPI

extension CloudMachineType {
    /// The labels of a node of this type. There is one way of paying for it.
    var labels: LabelRequirements {
        LabelRequirements(labels: [
            "node.kubernetes.io/instance-type": name, "topology.kubernetes.io/zone": zone,
            "topology.kubernetes.io/region": region, "kubernetes.io/arch": architecture, "kubernetes.io/os": "linux",
            "karpenter.sh/capacity-type": "on-demand",
        ])
    }

    var capacityAmounts: ResourceAmounts { Self.amounts(capacity) }
    var allocatableAmounts: ResourceAmounts { Self.amounts(allocatable) }

    private static func amounts(_ texts: [String: String]) -> ResourceAmounts {
        ResourceAmounts(milli: texts.compactMapValues { ResourceAmounts.milli(of: $0) })
    }
}
