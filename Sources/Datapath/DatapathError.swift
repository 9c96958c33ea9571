import LinuxKernel

/// What can go wrong in the agent, each with the object it concerns.
public enum DatapathError: Error, CustomStringConvertible, Sendable, Equatable {
    case invalidConfiguration(String)
    case addressesExhausted(pool: String, inUse: Int)
    case endpointsExhausted
    /// Two different label sets hash to one identity.
    case identityCollision(identity: UInt32, labels: String, other: String)
    case unknownEndpoint(String)
    case invalidState(path: String, reason: String)
    case kernel(String)

    public var description: String {
        switch self {
        case .invalidConfiguration(let reason): reason
        case .addressesExhausted(let pool, let inUse):
            "no free address in \(pool): \(inUse) in use; delete pods of this node or give it a larger podCIDR"
        case .endpointsExhausted: "no free endpoint id: 65535 endpoints on this node"
        case .identityCollision(let identity, let labels, let other):
            "identity \(identity) of labels {\(labels)} belongs to {\(other)}; change a label"
        case .unknownEndpoint(let name): "no endpoint \(name) on this node"
        case .invalidState(let path, let reason): "\(path): \(reason)"
        case .kernel(let reason): reason
        }
    }
}
