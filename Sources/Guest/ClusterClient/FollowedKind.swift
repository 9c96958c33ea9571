public import KubeClient

/// The resources that an agent follows at its API server, by their names there.
public enum FollowedKind: String, Sendable, CaseIterable {
    case nodes, namespaces, pods, services
    case endpointSlices = "endpointslices"
    case networkPolicies = "networkpolicies"
    case ciliumNetworkPolicies = "ciliumnetworkpolicies"
    case ciliumNodes = "ciliumnodes"
    case ciliumEndpoints = "ciliumendpoints"
    case ciliumIdentities = "ciliumidentities"

    /// Versions of the resource, the best one first.
    public var resources: [KubeResource] {
        switch self {
        case .nodes: [.nodes]
        case .namespaces: [.namespaces]
        case .pods: [.pods]
        case .services: [.services]
        case .endpointSlices: [.endpointSlices, .endpointSlicesBeta]
        case .networkPolicies: [.networkPolicies]
        case .ciliumNetworkPolicies: [.ciliumNetworkPolicies]
        case .ciliumNodes: [.ciliumNodes]
        case .ciliumEndpoints: [.ciliumEndpoints]
        case .ciliumIdentities: [.ciliumIdentities]
        }
    }

    /// The kinds without which an agent knows too little to connect pods. Definitions of policies may come later; once
    /// they were there, policies must not be missed either.
    public static let needed = Set(allCases).subtracting([.ciliumNetworkPolicies])
}

/// An object that was read, or the name of one that cannot be.
public enum ObjectReading<Object: Sendable>: Sendable {
    case object(Object)
    case unreadable(KubeUnreadable)

    /// Reads an object's text.
    ///
    /// - Throws: The reader's error, if not even the object's name can be read.
    init(_ octets: [UInt8], _ read: ([UInt8]) throws -> Object) throws {
        do {
            self = .object(try read(octets))
        } catch {
            let head = try KubeObjectHead(of: octets)
            guard !head.name.isEmpty else { throw error }
            self = .unreadable(
                KubeUnreadable(namespace: head.namespace, name: head.name, reason: String("\(error)".prefix(500))))
        }
    }
}
