import KubeObjects
import Shapes

/// The manifests of objects that agents follow. Their shapes follow from the objects' own descriptions.
enum ObjectShapes {
    /// The kinds that a file may give. Nodes come from the lab, and pods from the workloads.
    static let kinds: [ObjectKind] = [
        .namespaces, .services, .endpointSlices, .networkPolicies, .ciliumNetworkPolicies,
    ]

    static let all: [(key: String, shape: ObjectShape)] = kinds.map { ($0.manifestKind, $0.type.objectShape) }
}
