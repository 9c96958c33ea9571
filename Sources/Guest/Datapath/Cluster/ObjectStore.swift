import CNI
import Files
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

/// The cluster's objects on disk, so that an agent that starts again knows them at once. Each kind has a file with a
/// line of JSON for each change, which contains the object as it came. A file is rewritten when most of its lines are
/// outdated.
struct ObjectStore: Sendable {
    private let directory: String
    /// The number of lines in each kind's file.
    private var lines: [ObjectKind: Int] = [:]

    private struct Line<Object: KubeObject>: Codable {
        var set: Object?
        var removed: ObjectKey?
    }

    /// - Parameter directory: Is created if it does not exist.
    init(directory: String) throws(SystemError) {
        self.directory = directory
        try Directories.make(directory)
    }

    /// Reads the stored objects of every kind, or of some.
    mutating func load(_ kinds: [ObjectKind] = ObjectKind.allCases) throws -> ClusterObjects {
        var objects = ClusterObjects()
        for kind in kinds {
            switch kind {
            case .nodes: objects.nodes = try loadNodes()
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

    /// Takes over the line counts of some kinds from another store.
    mutating func adopt(_ kinds: [ObjectKind], from other: ObjectStore) {
        for kind in kinds { lines[kind] = other.lines[kind] }
    }

    /// Returns the present state of a kind's file.
    func stamp(_ kind: ObjectKind) throws(SystemError) -> ServiceMark.FileStamp { try .of(path(kind)) }

    /// Reads only the nodes.
    mutating func loadNodes() throws -> [ObjectKey: Node] { try load() }

    private mutating func load<Object: KubeObject>() throws -> [ObjectKey: Object] {
        guard let bytes = try AtomicFile.read(path(Object.kind)) else { return [:] }
        var objects: [ObjectKey: Object] = [:]
        var (count, start) = (0, 0)
        while let end = bytes.withUnsafeBufferPointer({ LineFeed.position(in: $0, from: start) }) {
            let line: Line<Object>
            do {
                line = try Self.line(bytes[start..<end])
            } catch {
                throw DatapathError.invalidState(
                    path: path(Object.kind), reason: "not readable (\(error)); remove it and push the objects again")
            }
            if let object = line.set { objects[object.key] = object }
            if let key = line.removed { objects[key] = nil }
            count += 1
            start = end + 1
        }
        lines[Object.kind] = count
        // The writer was killed in the middle of the last line, so its change was never acknowledged.
        if start < bytes.count { try rewrite(objects) }
        return objects
    }

    private static func line<Object: KubeObject>(_ bytes: ArraySlice<UInt8>) throws -> Line<Object> {
        do throws(UnreadableValue) {
            return try JSONReader.read(bytes) { reader throws(UnreadableValue) in
                var line = Line<Object>()
                try reader.object { key, reader throws(UnreadableValue) in
                    switch key {
                    case "set": line.set = try Object.read(&reader)
                    case "removed": line.removed = try ObjectKey.read(&reader)
                    default: try reader.skip()
                    }
                }
                return line
            }
        } catch {
            return try JSONDecoder().decode(Line<Object>.self, from: Data(bytes))
        }
    }

    /// Stores changes before anything acts on them.
    /// - Parameters:
    ///   - texts: The texts of the items as they came, without line feeds, or none if that is not known.
    ///   - known: The objects of the kind before the changes.
    mutating func append<Object: KubeObject>(
        _ changes: ObjectChanges<Object>, texts: [ArraySlice<UInt8>] = [], to known: [ObjectKey: Object]
    ) throws {
        let count = (lines[Object.kind] ?? 0) + changes.items.count + changes.removed.count
        if count > 2 * (known.count + changes.items.count) + 1024 {
            var known = known
            changes.apply(to: &known)
            return try rewrite(known)
        }
        var text: [UInt8] = []
        for key in changes.removed { text += CNIText.encode(Line<Object>(removed: key)).utf8 + [0x0A] }
        if texts.count == changes.items.count {
            text.reserveCapacity(text.count + texts.reduce(0) { $0 + $1.count + 9 })
            for item in texts {
                text += #"{"set":"#.utf8
                text += item
                text += "}\n".utf8
            }
        } else {
            for item in changes.items { text += CNIText.encode(Line(set: item)).utf8 + [0x0A] }
        }
        let file = try FileDescriptor.open(path(Object.kind), O_WRONLY | O_CREAT | O_APPEND, mode: 0o644)
        try file.writeAll(text)
        lines[Object.kind] = count
    }

    private mutating func rewrite<Object: KubeObject>(_ objects: [ObjectKey: Object]) throws {
        let text = objects.values.map { CNIText.encode(Line(set: $0)) + "\n" }.joined()
        try AtomicFile.write(text, to: path(Object.kind))
        lines[Object.kind] = objects.count
    }

    private func path(_ kind: ObjectKind) -> String { "\(directory)/\(kind.rawValue).jsonl" }
}
