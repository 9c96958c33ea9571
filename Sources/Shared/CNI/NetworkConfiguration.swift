import JSON

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A network configuration list (CNI specification 1.0.0, section 1). The file of a single plugin is read as a list of
/// one.
public struct NetworkConfiguration: Sendable, Equatable {
    /// The file from which it was read.
    public let path: String
    public let name: String
    public let version: String
    public let plugins: [[String: JSONValue]]

    /// - Throws: `InvalidConfiguration`.
    public init(path: String, contents: [UInt8]) throws {
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

    /// Returns the document for one plugin: its own members, the list's name and version, and the previous plugin's
    /// result.
    ///
    /// - Parameter runtime: What the runtime knows of the pod by capability (`portMappings`); a plugin gets, as
    ///   `runtimeConfig`, what its own `capabilities` ask for.
    public func document(
        for plugin: [String: JSONValue], previous: JSONValue?, runtime: [String: JSONValue] = [:]
    ) throws -> [UInt8] {
        var members = plugin
        members["capabilities"] = nil
        let asked = runtime.filter { plugin["capabilities"]?[$0.key] == .bool(true) }
        if !asked.isEmpty { members["runtimeConfig"] = .object(asked) }
        members["name"] = .string(name)
        members["cniVersion"] = .string(version)
        members["prevResult"] = previous
        return Array(try JSONEncoder().encode(JSONValue.object(members)))
    }
}

public struct InvalidConfiguration: Error, CustomStringConvertible {
    public let path: String
    public let reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path): \(reason)" }
}
