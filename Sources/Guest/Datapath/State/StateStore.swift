import AgentAPI
import CNI
import Files
import LinuxKernel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// What the agent must still know after it was killed, below `AgentConfig.statePath`:
///
/// - `endpoints/ID.json`: An endpoint with its phase, written before and after the kernel is changed.
/// - `cluster.json`: Nodes and remote endpoints as last announced, so that a restart never empties the ipcache.
/// - `names.json`: What DNS answered pods, written before policies act on it.
/// - `overlay-port`: The UDP port of the overlay device, which the agent does not read from the kernel.
/// - `last-endpoint-id`: So that an id is not given to another pod soon.
/// - `pod-range`: The range of the node's pods that the API server gave, so that a restart can do without the server.
/// - `api-server-known`: Is there once everything was listed at the API server.
/// - `starts`: How often the agent was started since the node booted.
struct StateStore: Sendable {
    struct Cluster: Codable, Sendable {
        var nodes: [NodeEntry] = []
        var entries: [IPCacheEntry] = []
    }

    let directory: String

    init(directory: String) throws(SystemError) {
        self.directory = directory
        try Directories.make(directory + "/endpoints")
    }

    /// All endpoints, in order of their ids.
    func loadEndpoints() throws -> [EndpointRecord] {
        try Directories.names(in: directory + "/endpoints").filter { $0.hasSuffix(".json") }
            .compactMap { try load("endpoints/" + $0, as: EndpointRecord.self) }
            .sorted { $0.id < $1.id }
    }

    func save(_ endpoint: EndpointRecord) throws(SystemError) {
        try AtomicFile.write(CNIText.encode(endpoint) + "\n", to: path("endpoints/\(endpoint.id).json"))
    }

    func remove(_ endpoint: EndpointRecord) throws(SystemError) {
        do throws(SystemError) {
            let path = path("endpoints/\(endpoint.id).json")
            try check("unlink", path) { unlink(path) }
        } catch {
            if error.code != ENOENT { throw error }
        }
    }

    func loadCluster() throws -> Cluster { try load("cluster.json", as: Cluster.self) ?? Cluster() }

    func save(_ cluster: Cluster) throws(SystemError) {
        try AtomicFile.write(CNIText.encode(cluster) + "\n", to: path("cluster.json"))
    }

    func loadNames() throws -> [NameCache.Entry] { try load("names.json", as: [NameCache.Entry].self) ?? [] }

    func save(_ names: [NameCache.Entry]) throws(SystemError) {
        try AtomicFile.write(CNIText.encode(names) + "\n", to: path("names.json"))
    }

    /// Counts this start and returns the count.
    func countStart() throws(SystemError) -> Int {
        let starts = (try number("starts") ?? 0) + 1
        try AtomicFile.write("\(starts)\n", to: path("starts"))
        return starts
    }

    /// The UDP port with which the overlay device was created.
    func overlayPort() throws(SystemError) -> UInt16? { try number("overlay-port").flatMap { UInt16(exactly: $0) } }

    func save(overlayPort: UInt16) throws(SystemError) {
        try AtomicFile.write("\(overlayPort)\n", to: path("overlay-port"))
    }

    /// The endpoint id that was given last, or 0 before the first.
    func lastEndpointID() throws(SystemError) -> UInt16 {
        try number("last-endpoint-id").flatMap { UInt16(exactly: $0) } ?? 0
    }

    func save(lastEndpointID: UInt16) throws(SystemError) {
        try AtomicFile.write("\(lastEndpointID)\n", to: path("last-endpoint-id"))
    }

    /// The range that the API server gave; nil before it did.
    func podRange() throws(SystemError) -> String? {
        try AtomicFile.read(path("pod-range")).map { String(decoding: $0.prefix { $0 != 0x0A }, as: UTF8.self) }
            .flatMap { $0.isEmpty ? nil : $0 }
    }

    func save(podRange: String) throws(SystemError) { try AtomicFile.write(podRange + "\n", to: path("pod-range")) }

    /// Whether everything was listed at the API server once.
    func knowsServer() throws(SystemError) -> Bool { try AtomicFile.read(path("api-server-known")) != nil }

    func saveKnowsServer() throws(SystemError) { try AtomicFile.write("", to: path("api-server-known")) }

    private func number(_ name: String) throws(SystemError) -> Int? {
        guard let bytes = try AtomicFile.read(path(name)) else { return nil }
        return Int(String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self))
    }

    private func load<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value? {
        guard let bytes = try AtomicFile.read(path(name)) else { return nil }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw DatapathError.invalidState(
                path: path(name), reason: "not readable (\(error)); remove it and delete this node's pods")
        }
    }

    private func path(_ name: String) -> String { directory + "/" + name }
}
