public import CloudAPI
import JSON

/// What a cloud controller does about one node.
public struct NodeAffairs: Sendable, Hashable {
    /// Labels, provider id and taints; nil if nothing is to be changed.
    public private(set) var change: NodeChange?
    /// All addresses that the node should have; nil if it has them.
    public private(set) var addresses: [KubeNode.Address]?
    /// Whether the node's object is to go, because the cloud has no machine of it.
    public private(set) var isGone = false
    public private(set) var events: [ControllerEvent] = []

    /// - Parameter machine: The node's machine; nil if the cloud has none.
    public init(_ node: KubeNode, machine: CloudMachine?) {
        guard !node.isTerminating else { return }
        guard let machine, machine.state != .terminated else {
            // As Kubernetes' own: a node that is ready has a machine, whatever the cloud says.
            guard !node.isReady, !node.ready.isEmpty || !node.providerID.isEmpty else { return }
            isGone = true
            events = [
                .normal(
                    .node(node.name), "DeletingNode",
                    "Deleting node \(node.name.name) because it does not exist in the cloud provider")
            ]
            return
        }
        var change = NodeChange(node)
        let isFirst = node.has(.uninitialized) || node.providerID.isEmpty
        if node.providerID.isEmpty { change.providerID = machine.providerID }
        change.labels = Self.labels(of: machine)
        change.removedTaints = [.uninitialized]
        if machine.state == .stopped, !node.isReady {
            change.addedTaints = [.shutdown]
        } else if machine.state == .running, node.isReady {
            change.removedTaints.append(.shutdown)
        }
        if !change.isEmpty(for: node) {
            self.change = change
            if isFirst {
                events.append(.normal(.node(node.name), "Synced", "Node synced successfully"))
            }
        }
        let wanted = Self.addresses(of: machine, node)
        // The kubelet writes its own in another order.
        if wanted.sorted() != node.addresses.sorted() { addresses = wanted }
    }

    /// The labels of zone, region and type, by their names of today and of Kubernetes before 1.17, which 1.20 still
    /// sets.
    private static func labels(of machine: CloudMachine) -> [String: String] {
        [
            "topology.kubernetes.io/zone": machine.zone, "failure-domain.beta.kubernetes.io/zone": machine.zone,
            "topology.kubernetes.io/region": machine.region,
            "failure-domain.beta.kubernetes.io/region": machine.region,
            "node.kubernetes.io/instance-type": machine.instanceType,
            "beta.kubernetes.io/instance-type": machine.instanceType,
        ]
    }

    private static func addresses(of machine: CloudMachine, _ node: KubeNode) -> [KubeNode.Address] {
        var addresses = [KubeNode.Address("InternalIP", machine.privateAddress)]
        if !machine.publicAddress.isEmpty { addresses.append(.init("ExternalIP", machine.publicAddress)) }
        if !machine.privateName.isEmpty { addresses.append(.init("InternalDNS", machine.privateName)) }
        return addresses + node.addresses.filter { $0.type == "Hostname" }
    }

    /// A strategic merge patch of the node's status.
    var statusPatch: JSONValue? {
        addresses.map { addresses in
            .object([
                "status": .object([
                    "addresses": .array(
                        addresses.map { .object(["type": .string($0.type), "address": .string($0.address)]) })
                ])
            ])
        }
    }
}
