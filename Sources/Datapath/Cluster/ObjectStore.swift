import CNI
import KubeObjects
import LinuxKernel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// The cluster's objects on disk, so that an agent that starts again knows them at once: a file for each kind, a line of
/// JSON for each change, written anew when most of its lines are overtaken.
struct ObjectStore: Sendable {
    private let directory: String
    /// Lines in each kind's file.
    private var lines: [ObjectKind: Int] = [:]

    private struct Line<Object: KubeObject>: Codable {
        var set: Object?
        var removed: ObjectKey?
    }

    /// - Parameter directory: made when it is not there.
    init(directory: String) throws(SystemError) {
        self.directory = directory
        try AtomicFile.makeDirectories(directory)
    }

    /// What was written down of every kind.
    mutating func load() throws -> ClusterObjects {
        var objects = ClusterObjects()
        for kind in ObjectKind.allCases {
            switch kind {
            case .nodes: objects.nodes = try load()
            case .namespaces: objects.namespaces = try load()
            case .pods: objects.pods = try load()
            case .services: objects.services = try load()
            case .endpointSlices: objects.endpointSlices = try load()
            case .networkPolicies: objects.networkPolicies = try load()
            case .ciliumNetworkPolicies: objects.ciliumNetworkPolicies = try load()
            }
        }
        return objects
    }

    private mutating func load<Object: KubeObject>() throws -> [ObjectKey: Object] {
        guard let bytes = try AtomicFile.read(path(Object.kind)) else { return [:] }
        var objects: [ObjectKey: Object] = [:]
        let decoder = JSONDecoder()
        let parts = bytes.split(separator: 0x0A, omittingEmptySubsequences: true)
        // The writer was killed in the middle of the last line: its change was never acknowledged.
        let torn = bytes.last.map { $0 != 0x0A } ?? false
        for part in torn ? parts.dropLast() : parts[...] {
            let line: Line<Object>
            do {
                line = try decoder.decode(Line<Object>.self, from: Data(part))
            } catch {
                throw DatapathError.invalidState(
                    path: path(Object.kind), reason: "not readable (\(error)); remove it and push the objects again")
            }
            if let object = line.set { objects[object.key] = object }
            if let key = line.removed { objects[key] = nil }
        }
        lines[Object.kind] = parts.count
        if torn { try rewrite(objects) }
        return objects
    }

    /// Writes down changes before anything acts on them.
    /// - Parameter known: the objects of the kind, changes included.
    mutating func append<Object: KubeObject>(
        _ changes: ObjectChanges<Object>, known: [ObjectKey: Object]
    ) throws {
        let count = (lines[Object.kind] ?? 0) + changes.items.count + changes.removed.count
        if count > 2 * known.count + 1024 { return try rewrite(known) }
        let text =
            changes.removed.map { CNIText.encode(Line<Object>(removed: $0)) + "\n" }.joined()
            + changes.items.map { CNIText.encode(Line(set: $0)) + "\n" }.joined()
        let file = try FileDescriptor.open(path(Object.kind), O_WRONLY | O_CREAT | O_APPEND, mode: 0o644)
        try file.writeAll(text.utf8)
        lines[Object.kind] = count
    }

    private mutating func rewrite<Object: KubeObject>(_ objects: [ObjectKey: Object]) throws {
        let text = objects.values.map { CNIText.encode(Line(set: $0)) + "\n" }.joined()
        try AtomicFile.write(text, to: path(Object.kind))
        lines[Object.kind] = objects.count
    }

    private func path(_ kind: ObjectKind) -> String { "\(directory)/\(kind.rawValue).jsonl" }
}
