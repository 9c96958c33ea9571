public import KubeClient
import KubeObjects
import NetAddress
import ServedObjects
import Synchronization

/// Waits for the range of a node's pods, which others give: the operator in the CiliumNode, or the cluster in the Node.
public final class RangeRequest: Sendable {
    public enum Source: Sendable {
        /// `spec.ipam.podCIDRs` of the CiliumNode, from the operator.
        case clusterPool
        /// `spec.podCIDR` of the Node.
        case node
    }

    private let client: KubeClient
    private let nodeName: String
    private let nodeAddress: String
    private let source: Source
    private let seen = Mutex("nothing was asked yet")

    public init(_ client: KubeClient, nodeName: String, nodeAddress: String, source: Source) {
        self.client = client
        self.nodeName = nodeName
        self.nodeAddress = nodeAddress
        self.source = source
    }

    /// What was seen last, in words.
    public var lastSeen: String { seen.withLock { $0 } }

    /// Asks once for the range. Nil if there is none yet.
    public func ask(within limit: Duration) async throws -> String? {
        let resource: KubeResource = source == .node ? .nodes : .ciliumNodes
        let body = try await client.ask(
            KubeRequest(path: resource.path(namespace: nil, name: nodeName)), within: limit)
        return try range(body.octets)
    }

    /// Waits until there is a range. Nil only when the task was cancelled.
    public func wait() async -> String? {
        switch source {
        case .node: return await follow(.nodes)
        case .clusterPool:
            guard await register() else { return nil }
            return await follow(.ciliumNodes)
        }
    }

    /// Creates the node's CiliumNode, so that the operator sees that a range is wanted.
    private func register() async -> Bool {
        let node = CiliumNode(
            metadata: ObjectHead(name: nodeName), addresses: [.init(type: "InternalIP", ip: nodeAddress)])
        var backoff = Backoff()
        while !Task.isCancelled {
            do {
                try await client.create(.ciliumNodes, KubeBody(node.json), within: .seconds(10))
                return true
            } catch KubeClientError.refused(let status) where status.alreadyExists {
                return true
            } catch {
                seen.withLock { $0 = "CiliumNode \(nodeName) cannot be created: \(error)" }
            }
            guard (try? await Task.sleep(for: backoff.next())) != nil else { return false }
        }
        return false
    }

    /// Creates a CiliumNode again that somebody has deleted: the operator, because there was no Node yet, or a user.
    /// Nobody gives a range to a node that is not there. False if the task was cancelled.
    private func isWantedStill() async -> Bool {
        guard source == .clusterPool else { return true }
        return await register()
    }

    private func follow(_ resource: KubeResource) async -> String? {
        let reflector = Reflector<String?>(
            client, resource, fieldSelector: "metadata.name=\(nodeName)", settings: ClusterFollower.settings
        ) { try self.range($0) }
        for await update in reflector.updates() {
            switch update {
            case .listed(let ranges):
                if ranges.isEmpty {
                    let kind = source == .node ? "Node" : "CiliumNode"
                    seen.withLock { $0 = "the API server has no \(kind) \(nodeName)" }
                    guard await isWantedStill() else { return nil }
                }
                if let range = ranges.compactMap({ $0 }).first { return range }
            case .added(let range), .modified(let range): if let range { return range }
            case .deleted: guard await isWantedStill() else { return nil }
            case .unreadable(let name): seen.withLock { $0 = "\(name)" }
            case .disconnected(let reason): seen.withLock { $0 = reason }
            case .connected: break
            }
        }
        return nil
    }

    private func range(_ octets: [UInt8]) throws -> String? {
        switch source {
        case .node:
            let node: Node = try ServedJSON.object(octets)
            if let range = node.spec.podCIDR, !range.isEmpty { return usable(range, of: "spec.podCIDR of Node") }
            seen.withLock { $0 = "Node \(nodeName) has no spec.podCIDR" }
        case .clusterPool:
            let node = try CiliumNode(octets)
            if let range = node.podCIDRs.first { return usable(range, of: "spec.ipam.podCIDRs of CiliumNode") }
            let words = node.operatorError.map { "; the operator says: \($0)" } ?? "; the operator has said nothing"
            seen.withLock { $0 = "CiliumNode \(nodeName) has no spec.ipam.podCIDRs" + words }
        }
        return nil
    }

    /// A text that is no range is as none: an agent that took it would forget the one that its pods have.
    private func usable(_ range: String, of place: String) -> String? {
        if IPv4CIDR(range) != nil { return range }
        seen.withLock { $0 = "\(place) \(nodeName) is no IPv4 range: \(range.prefix(64).debugDescription)" }
        return nil
    }
}
