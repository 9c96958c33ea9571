import AgentAPI
import ClusterClient
import DatapathModel

/// The derived identities that this node knows, each with its labels. Its own endpoints hold some of them; other nodes
/// announced the rest.
public struct IdentityRegistry: Sendable {
    private var own: [UInt32: (labels: [String], holders: Int)] = [:]
    /// The announcements of other nodes. Assign only what `remoteIdentities` returned.
    var remote: [UInt32: [String]] = [:]

    /// The numbers that are allocated through the API server. Nil where numbers are derived from labels.
    let allocation: IdentityTable?

    public init() { allocation = nil }

    init(allocation: IdentityTable?) { self.allocation = allocation }

    /// Returns the number of a set of labels.
    ///
    /// - Throws: `DatapathError.identityUnknown` if nobody has allocated one.
    func number(of securityLabels: [String]) throws(DatapathError) -> UInt32 {
        guard let allocation else { return SecurityIdentity.derive(from: securityLabels) }
        guard let number = allocation.number(of: securityLabels) else {
            throw .identityUnknown(labels: securityLabels.joined(separator: ","))
        }
        return number
    }

    /// Takes the identity that an endpoint had before the agent restarted, as `acquire` does.
    mutating func restore(_ identity: UInt32, _ securityLabels: [String]) throws(DatapathError) -> UInt32 {
        guard let allocation else { return try acquire(securityLabels) }
        allocation.remember(identity, securityLabels)
        own[identity] = (securityLabels, (own[identity]?.holders ?? 0) + 1)
        return identity
    }

    /// Returns the identity of a set of labels. It is held until it is released as many times.
    ///
    /// - Throws: `DatapathError.identityCollision` if another set of labels has the number already, here or on another
    ///   node.
    public mutating func acquire(_ securityLabels: [String]) throws(DatapathError) -> UInt32 {
        let identity = try number(of: securityLabels)
        // What other nodes announced may be older than what was allocated since.
        let known = allocation == nil ? labels(of: identity) : own[identity]?.labels
        if let other = known, other != securityLabels {
            throw Self.collision(identity, securityLabels, other)
        }
        own[identity] = (securityLabels, (own[identity]?.holders ?? 0) + 1)
        // One that is deleted at the server while it is in use keeps its number.
        allocation?.remember(identity, securityLabels)
        return identity
    }

    public mutating func release(_ identity: UInt32) {
        guard let known = own[identity] else { return }
        own[identity] = known.holders > 1 ? (known.labels, known.holders - 1) : nil
    }

    /// Returns the labels of each derived identity in a list of announced addresses.
    ///
    /// - Throws: `DatapathError.identityCollision` if one number stands for two sets of labels, in the list or here;
    ///   `identityMismatch` if the labels do not give the number.
    func remoteIdentities(in entries: [AgentAPI.IPCacheEntry]) throws(DatapathError) -> [UInt32: [String]] {
        var found: [UInt32: [String]] = [:]
        for entry in entries {
            guard let labels = entry.labels, Identity(rawValue: entry.identity).isLabelIdentity else { continue }
            if let other = found[entry.identity] ?? own[entry.identity]?.labels, other != labels {
                // An announcement is of another moment; what this node itself uses wins.
                if allocation != nil { continue }
                throw Self.collision(entry.identity, labels, other)
            }
            if found.updateValue(labels, forKey: entry.identity) == nil, allocation == nil {
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

    /// Returns the labels of a derived identity, or nil if nobody has it.
    public func labels(of identity: UInt32) -> [String]? { own[identity]?.labels ?? remote[identity] }

    /// Every derived identity with its labels, and the number of this node's endpoints that hold it.
    public var all: [UInt32: (labels: [String], holders: Int)] {
        remote.mapValues { ($0, 0) }.merging(own) { _, own in own }
    }

    private static func collision(_ identity: UInt32, _ labels: [String], _ other: [String]) -> DatapathError {
        .identityCollision(
            identity: identity, labels: labels.joined(separator: ","), other: other.joined(separator: ","))
    }
}
