import NetAddress
import ServedObjects

/// What the operator reads and writes: an API server, or a test's memory.
protocol OperatorStore: Sendable {
    /// All CiliumNodes as they are now, not as they were a moment ago.
    ///
    /// - Throws: Also if one of them cannot be read.
    func holders(within limit: Duration) async throws -> [RangeHolder]
    /// - Throws: If the object has changed since it was read, too.
    func give(_ range: IPv4CIDR, to holder: RangeHolder, within limit: Duration) async throws
    func say(_ error: String?, to holder: RangeHolder, within limit: Duration) async throws
    /// What is needed to find what nobody uses any more.
    func inventory(within limit: Duration) async throws -> Inventory
    /// Deletes an object if it is still the one that was read.
    func delete(_ kind: Collected, _ object: ObjectHead, within limit: Duration) async throws
    /// Yields when CiliumNodes have changed, and why the server cannot be asked while it cannot.
    func changes() -> AsyncStream<StoreNews>
}

/// The kinds of which the operator deletes objects.
enum Collected: String, Sendable, Hashable, CaseIterable {
    case identity = "CiliumIdentity"
    case endpoint = "CiliumEndpoint"
    case node = "CiliumNode"
}

struct Inventory: Sendable {
    var identities: [CiliumIdentity] = []
    var endpoints: [CiliumEndpoint] = []
    var ciliumNodes: [ObjectHead] = []
    var pods: [Orphans.Owner] = []
    var nodes: [Orphans.Owner] = []
}

enum StoreNews: Sendable, Hashable {
    case changed
    /// Nil once it can be asked again.
    case silent(String?)
}
