/// A policy that cannot be enforced as it is written. No part of it is enforced then.
public struct PolicyRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// `CiliumNetworkPolicy default/web`
    public let policy: String
    /// `spec.ingress[0].toPorts[0]`
    public let field: String
    public let reason: String

    public init(policy: String, field: String, reason: String) {
        self.policy = policy
        self.field = field
        self.reason = reason
    }

    public var description: String { "\(policy), \(field): \(reason)" }
}

extension [PolicyRefusal] {
    /// Returns what is read, or nil if it is refused. The refusal is kept, so that reading can go on with the next part.
    mutating func taking<Part>(_ read: () throws(PolicyRefusal) -> Part) -> Part? {
        do {
            return try read()
        } catch {
            append(error)
            return nil
        }
    }
}

/// A place in a policy, for messages about it.
struct PolicyPlace {
    let policy: String
    let field: String

    subscript(name: String) -> PolicyPlace { PolicyPlace(policy: policy, field: "\(field).\(name)") }
    subscript(name: String, index: Int) -> PolicyPlace {
        PolicyPlace(policy: policy, field: "\(field).\(name)[\(index)]")
    }

    func refuse(_ reason: String) -> PolicyRefusal { PolicyRefusal(policy: policy, field: field, reason: reason) }
}
