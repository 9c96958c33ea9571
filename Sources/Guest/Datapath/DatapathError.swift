import LinuxKernel

/// What can go wrong in the agent, each with the object it concerns.
public enum DatapathError: Error, CustomStringConvertible, Sendable, Equatable {
    case invalidConfiguration(String)
    case addressesExhausted(pool: String, inUse: Int)
    /// With `ipam.mode: eni`, the instance type allows no more.
    case interfacesExhausted(inUse: Int, limit: String)
    /// With `ipam.mode: eni`, the cloud is being asked for more.
    case addressesPending(inUse: Int, failure: String?)
    case endpointsExhausted
    case kernelFeatureMissing(String, neededBy: String)
    /// With `ipam.mode: kubernetes`, the node's object had no range when the deadline passed.
    case podCIDRUnavailable(node: String, objectIsKnown: Bool)
    /// Two different sets of labels hash to one identity, on this node or in the cluster.
    case identityCollision(identity: UInt32, labels: String, other: String)
    /// Nobody has allocated an identity for a set of labels at the API server yet.
    case identityUnknown(labels: String)
    /// With an API server, nobody gave the node a range of addresses before the deadline.
    case rangeUnavailable(node: String, pool: String, giver: String, lastSeen: String)
    /// Another node derived another number from the same labels, so its agent is of another build.
    case identityMismatch(address: String, identity: UInt32, labels: String, expected: UInt32)
    case localIdentitiesExhausted(limit: Int)
    case policyTooLarge(String)
    case unknownEndpoint(String)
    case invalidState(path: String, reason: String)
    case kernel(String)

    public var description: String {
        switch self {
        case .invalidConfiguration(let reason): reason
        case .addressesExhausted(let pool, let inUse):
            "no free address in \(pool): \(inUse) in use; delete pods of this node or give it a larger podCIDR"
        case .interfacesExhausted(let inUse, let limit):
            "no free address on the node's network interfaces: \(inUse) in use, and \(limit); take a larger "
                + "instance type or set eni.awsEnablePrefixDelegation"
        case .addressesPending(let inUse, let failure):
            "no free address yet on the node's network interfaces: \(inUse) in use, and the cloud is asked for more"
                + (failure.map { "; last it said: \($0)" } ?? "")
        case .podCIDRUnavailable(let node, let objectIsKnown):
            "required IPv4 PodCIDR not available: "
                + (objectIsKnown ? "Node \(node) has no spec.podCIDR" : "there is no Node object \(node)")
                + " (ipam.mode: kubernetes)"
        case .kernelFeatureMissing(let feature, let option):
            "kernel feature missing: \(feature), needed by \(option)"
        case .endpointsExhausted: "no free endpoint id: 65535 endpoints on this node"
        case .identityCollision(let identity, let labels, let other):
            "identity \(identity) of labels {\(labels)} belongs to {\(other)}; change a label"
        case .identityUnknown(let labels): "no identity is allocated for {\(labels)} yet; try again"
        case .rangeUnavailable(let node, let pool, let giver, let lastSeen):
            "required IPv4 PodCIDR not available for node \(node): \(giver) gave none of \(pool); "
                + "last seen: \(lastSeen)"
        case .identityMismatch(let address, let identity, let labels, let expected):
            "\(address) has identity \(identity), but its labels {\(labels)} make \(expected): "
                + "the agents differ in version"
        case .localIdentitiesExhausted(let limit):
            "policies name more than \(limit) different address ranges; widen or remove some"
        case .policyTooLarge(let reason): reason
        case .unknownEndpoint(let name): "no endpoint \(name) on this node"
        case .invalidState(let path, let reason): "\(path): \(reason)"
        case .kernel(let reason): reason
        }
    }
}
