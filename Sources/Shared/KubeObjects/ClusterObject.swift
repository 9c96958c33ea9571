/// An object of any kind, as a manifest gives it.
public enum ClusterObject: Codable, Sendable, Hashable {
    case node(Node)
    case namespace(Namespace)
    case pod(Pod)
    case service(Service)
    case endpointSlice(EndpointSlice)
    case networkPolicy(NetworkPolicy)
    case ciliumNetworkPolicy(CiliumNetworkPolicy)

    public var kind: ObjectKind {
        switch self {
        case .node: .nodes
        case .namespace: .namespaces
        case .pod: .pods
        case .service: .services
        case .endpointSlice: .endpointSlices
        case .networkPolicy: .networkPolicies
        case .ciliumNetworkPolicy: .ciliumNetworkPolicies
        }
    }

    public var key: ObjectKey {
        switch self {
        case .node(let object): object.key
        case .namespace(let object): object.key
        case .pod(let object): object.key
        case .service(let object): object.key
        case .endpointSlice(let object): object.key
        case .networkPolicy(let object): object.key
        case .ciliumNetworkPolicy(let object): object.key
        }
    }
}

extension ClusterObjects {
    /// Takes an object in, in place of one of the same key.
    public mutating func insert(_ object: ClusterObject) {
        switch object {
        case .node(let object): nodes[object.key] = object
        case .namespace(let object): namespaces[object.key] = object
        case .pod(let object): pods[object.key] = object
        case .service(let object): services[object.key] = object
        case .endpointSlice(let object): endpointSlices[object.key] = object
        case .networkPolicy(let object): networkPolicies[object.key] = object
        case .ciliumNetworkPolicy(let object): ciliumNetworkPolicies[object.key] = object
        }
    }

    public mutating func remove(_ kind: ObjectKind, _ key: ObjectKey) {
        switch kind {
        case .nodes: nodes[key] = nil
        case .namespaces: namespaces[key] = nil
        case .pods: pods[key] = nil
        case .services: services[key] = nil
        case .endpointSlices: endpointSlices[key] = nil
        case .networkPolicies: networkPolicies[key] = nil
        case .ciliumNetworkPolicies: ciliumNetworkPolicies[key] = nil
        }
    }
}

extension ObjectKind {
    /// `kind` of a manifest: `Service`.
    public var manifestKind: String {
        switch self {
        case .nodes: "Node"
        case .namespaces: "Namespace"
        case .pods: "Pod"
        case .services: "Service"
        case .endpointSlices: "EndpointSlice"
        case .networkPolicies: "NetworkPolicy"
        case .ciliumNetworkPolicies: "CiliumNetworkPolicy"
        }
    }

    /// `apiVersion` of a manifest.
    public var apiVersion: String {
        switch self {
        case .nodes, .namespaces, .pods, .services: "v1"
        case .endpointSlices: "discovery.k8s.io/v1"
        case .networkPolicies: "networking.k8s.io/v1"
        case .ciliumNetworkPolicies: "cilium.io/v2"
        }
    }

    /// Whether its objects lie in namespaces.
    public var isNamespaced: Bool { self != .nodes && self != .namespaces }
}
