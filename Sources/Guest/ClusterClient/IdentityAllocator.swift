public import KubeClient
import ServedObjects

/// Why a set of labels has no number.
public struct IdentityFailure: Error, Sendable, CustomStringConvertible {
    public let labels: [String]
    public let reason: String
    /// Whether the server has answered, so that other labels may fare better.
    public let isRefusal: Bool

    public init(labels: [String], reason: String, isRefusal: Bool = false) {
        self.labels = labels
        self.reason = reason
        self.isRefusal = isRefusal
    }

    public var description: String { "no identity for {\(labels.joined(separator: ","))}: \(reason)" }
}

/// Allocates identities through the API server, so that the same labels have the same number on all nodes and no number
/// stands for two sets of labels: a number is a name of an object, and only one agent can create it.
public struct IdentityAllocator: Sendable {
    private let client: KubeClient
    private let table: IdentityTable

    public init(_ client: KubeClient, _ table: IdentityTable) {
        self.client = client
        self.table = table
    }

    /// Returns the number of a set of labels, and creates it if there is none.
    ///
    /// - Parameters:
    ///   - number: The number that the labels have on this node; it is tried first.
    ///   - limit: How long all requests together may take.
    /// - Throws: `IdentityFailure`.
    public func allocate(
        _ labels: [String], preferring number: UInt32? = nil, within limit: Duration
    ) async throws -> UInt32 {
        if let known = table.number(of: labels), table.served(known)?.labels == labels { return known }
        let deadline = ContinuousClock.now + limit
        var candidates = IdentityNumber.candidates(of: labels)
        if let number, IdentityNumber.range.contains(number) {
            candidates.removeAll { $0 == number }
            candidates.insert(number, at: 0)
        }
        for candidate in candidates {
            if let other = table.served(candidate), other.labels != labels { continue }
            do {
                guard try await take(candidate, labels, until: deadline) else { continue }
            } catch {
                if error is CancellationError { throw error }
                // While the server is away, what is known holds.
                if let known = table.number(of: labels) { return known }
                throw IdentityFailure(
                    labels: labels, reason: "\(error)", isRefusal: (error as? KubeClientError)?.status != nil)
            }
            table.remember(candidate, labels)
            return candidate
        }
        throw IdentityFailure(
            labels: labels, reason: "\(candidates.count) numbers are other labels' already", isRefusal: true)
    }

    /// Creates an identity. False if the number is another set's.
    private func take(_ number: UInt32, _ labels: [String], until deadline: ContinuousClock.Instant) async throws
        -> Bool
    {
        let identity = CiliumIdentity(number: number, labels: labels)
        // One that is deleted between the two requests is created at the next try.
        for _ in 0..<3 {
            do {
                try await client.create(.ciliumIdentities, KubeBody(identity.json), within: deadline - .now)
                return true
            } catch KubeClientError.refused(let status) where status.alreadyExists {}
            do {
                let body = try await client.ask(
                    KubeRequest(path: KubeResource.ciliumIdentities.path(namespace: nil, name: "\(number)")),
                    within: deadline - .now)
                return try CiliumIdentity(body.octets).labels == labels
            } catch KubeClientError.refused(let status) where status.isNotFound {
                continue
            } catch is ServedObjectError {
                return false
            }
        }
        return false
    }
}
