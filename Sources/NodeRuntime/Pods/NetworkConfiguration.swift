#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import LinuxKernel

/// A network configuration list (CNI specification 1.0.0, section 1), or a single plugin's file taken as a list of one.
struct NetworkConfiguration: Sendable, Equatable {
    /// The file it was read from.
    let path: String
    let name: String
    let version: String
    let plugins: [[String: JSONValue]]

    /// - Throws: `InvalidConfiguration`.
    init(path: String, contents: [UInt8]) throws {
        self.path = path
        let document: JSONValue
        do {
            document = try JSONDecoder().decode(JSONValue.self, from: Data(contents))
        } catch {
            throw InvalidConfiguration(path: path, reason: "not JSON")
        }
        guard let members = document.members else {
            throw InvalidConfiguration(path: path, reason: "no JSON object")
        }
        guard let name = members["name"]?.text, !name.isEmpty else {
            throw InvalidConfiguration(path: path, reason: "no name")
        }
        self.name = name
        version = members["cniVersion"]?.text ?? "0.2.0"
        plugins = members["plugins"]?.elements?.compactMap(\.members) ?? [members]
        guard !plugins.isEmpty, plugins.allSatisfy({ $0["type"]?.text?.isEmpty == false }) else {
            throw InvalidConfiguration(path: path, reason: "a plugin without type")
        }
    }

    /// The document for one plugin: its own members, the list's name and version, and the previous plugin's result.
    func document(for plugin: [String: JSONValue], previous: JSONValue?) throws -> [UInt8] {
        var members = plugin
        members["name"] = .string(name)
        members["cniVersion"] = .string(version)
        members["prevResult"] = previous
        return Array(try JSONEncoder().encode(JSONValue.object(members)))
    }
}

struct InvalidConfiguration: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "\(path): \(reason)" }
}

/// The directory in which a datapath says that it is there.
struct ConflistDirectory: Sendable {
    let path: String

    private static let suffixes = [".conflist", ".conf", ".json"]

    /// Full paths of the candidates in lexical order.
    var files: [String] {
        directoryEntries(path)
            .filter { name in Self.suffixes.contains { name.hasSuffix($0) } }
            .map { "\(path)/\($0)" }
    }

    /// The first readable one in lexical order, as a kubelet picks it; nil when there is none.
    func first() -> NetworkConfiguration? {
        for file in files {
            guard let contents = try? FileDescriptor.open(file, O_RDONLY).readToEnd(),
                let configuration = try? NetworkConfiguration(path: file, contents: contents)
            else { continue }
            return configuration
        }
        return nil
    }
}
