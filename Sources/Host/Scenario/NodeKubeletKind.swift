/// Which program is the kubelet of a lab's nodes, from `nodes.kubelet`.
public enum NodeKubeletKind: String, Codable, Sendable, Hashable, CaseIterable {
    /// The node's own runtime, in the words and ways of Kubernetes' kubelet.
    case light
    /// Kubernetes' own kubelet, with containerd and runc.
    case real

    /// What a node needs at least, in MiB. A real kubelet and containerd take 140 MiB, each pod's shim 15, and the
    /// files that they write are in memory, too.
    public var minimumMemoryMiB: Int {
        switch self {
        case .light: 0
        case .real: 640
        }
    }
}

extension LabProfile {
    /// Why nodes cannot have the kubelet that is asked for; nil if they can.
    var kubeletMistake: (message: String, expected: String)? {
        guard kubelet == .real else { return nil }
        if !controlPlane.enabled {
            return (
                "a real kubelet needs an API server, and lab \(name) has no control plane",
                "\"controlPlane: {enabled: true}\", or \"kubelet: light\""
            )
        }
        if datapathValues["ipam.mode"] == "kubernetes" {
            return (
                "the lab's own kubelet writes spec.podCIDR of its Node, and a real one does not: no pod would get an "
                    + "address",
                "another \"ipam.mode\", or \"kubelet: light\""
            )
        }
        if installation.kind == .daemonSet {
            return (
                "the agent's pod is the node's own runtime, and a real kubelet cannot start it",
                "\"datapath.install: process\", or \"kubelet: light\""
            )
        }
        return nil
    }
}
