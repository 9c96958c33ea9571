import AgentAPI
import DatapathModel

/// The derived identities that this node knows, with the labels each stands for: those of its own endpoints, which hold
/// them, and those that other nodes announced.
public struct IdentityRegistry: Sendable {
    private var own: [UInt32: (labels: [String], holders: Int)] = [:]
    /// What other nodes announced; only what `remoteIdentities` answered may be put here.
    var remote: [UInt32: [String]] = [:]

    public init() {}

    /// The identity of a label set, held until it is released as many times.
    ///
    /// - Throws: `DatapathError.identityCollision` when another label set has the number already, here or on another
    ///   node.
    public mutating func acquire(_ securityLabels: [String]) throws(DatapathError) -> UInt32 {
        let identity = SecurityIdentity.derive(from: securityLabels)
        if let other = labels(of: identity), other != securityLabels {
            throw Self.collision(identity, securityLabels, other)
        }
        own[identity] = (securityLabels, (own[identity]?.holders ?? 0) + 1)
        return identity
    }

    public mutating func release(_ identity: UInt32) {
        guard let known = own[identity] else { return }
        own[identity] = known.holders > 1 ? (known.labels, known.holders - 1) : nil
    }

    /// The labels of each derived identity in a list of announced addresses.
    ///
    /// - Throws: `DatapathError.identityCollision` when one number stands for two label sets, in the list or here;
    ///   `identityMismatch` when the labels do not make the number.
    func remoteIdentities(in entries: [AgentAPI.IPCacheEntry]) throws(DatapathError) -> [UInt32: [String]] {
        var found: [UInt32: [String]] = [:]
        for entry in entries {
            guard let labels = entry.labels, Identity(rawValue: entry.identity).isLabelIdentity else { continue }
            if let other = found[entry.identity] ?? own[entry.identity]?.labels, other != labels {
                throw Self.collision(entry.identity, labels, other)
            }
            if found.updateValue(labels, forKey: entry.identity) == nil {
                let expected = SecurityIdentity.derive(from: labels)
                guard expected == entry.identity else {
                    throw .identityMismatch(
                        address: entry.address, identity: entry.identity, labels: labels.joined(separator: ","),
                        expected: expected)
                }
            }
        }
        return found
    }

    /// The labels of a derived identity; nil when nobody has it.
    public func labels(of identity: UInt32) -> [String]? { own[identity]?.labels ?? remote[identity] }

    /// Every derived identity with its labels, and how many endpoints of this node hold it.
    public var all: [UInt32: (labels: [String], holders: Int)] {
        remote.mapValues { ($0, 0) }.merging(own) { _, own in own }
    }

    private static func collision(_ identity: UInt32, _ labels: [String], _ other: [String]) -> DatapathError {
        .identityCollision(
            identity: identity, labels: labels.joined(separator: ","), other: other.joined(separator: ","))
    }
}
