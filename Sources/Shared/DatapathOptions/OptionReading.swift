#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Why a value cannot be accepted.
public struct OptionMistake: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// No option has this name.
        case unknown
        /// The option is known, but the lab does not do what the value asks for.
        case unsupported
        /// The value does not have the option's form.
        case malformed
    }
    public let name: String
    public let reason: Reason
    /// A sentence that names the option and says what is wrong.
    public let description: String
    /// What the value may be, for `malformed` and `unsupported`.
    public let expected: String?
}

extension OptionCatalogue {
    /// Returns what is wrong with an option's value, or nil if nothing is.
    public static func mistake(name: String, value: String) -> OptionMistake? {
        let key: OptionKey
        switch find(name) {
        case .failure(let mistake): return mistake
        case .success(let found): key = found
        }
        guard let read = key.type.read(value) else {
            return OptionMistake(
                name: name, reason: .malformed, description: "datapath value \(name) cannot be \"\(value)\"",
                expected: key.type.expected)
        }
        guard case .only(let values, let reason) = key.support, !values.contains(where: { key.type.read($0) == read })
        else { return nil }
        let said = value.isEmpty ? "\"\"" : value
        let acting = values.map { $0.isEmpty ? "\"\"" : $0 }.joined(separator: ", ")
        return OptionMistake(
            name: name, reason: .unsupported, description: "datapath value \(name)=\(said) is not supported: \(reason)",
            expected: values.count == 1 ? acting : "one of \(acting)")
    }

    private static func find(_ name: String) -> Result<OptionKey, OptionMistake> {
        if let key = self[name] { return .success(key) }
        if let alias = aliases[name], let key = self[alias] { return .success(key) }
        if let foreign = Surroundings.entry(for: name) { return .success(foreign) }
        return .failure(
            OptionMistake(
                name: name, reason: .unknown, description: "unknown datapath value \"\(name)\"",
                expected: nil))
    }

    /// Whether a name is an option's, and not that of a group of options or of what surrounds the datapath.
    public static func isOption(_ name: String) -> Bool { self[aliases[name] ?? name] != nil }

    /// All known names, for suggestions.
    public static let names = keys.map(\.name) + aliases.keys.sorted() + Surroundings.groups.map(\.prefix)

    /// Other names that are accepted: the short name of the exclusions.
    static let aliases = ["nonMasqueradeCIDRs": "ipMasqAgent.config.nonMasqueradeCIDRs"]
}

extension DatapathOptions {
    /// Reads options from values by their dotted names. All others have their defaults.
    /// - Throws: `OptionMistake` for the first value, by name, that cannot be accepted.
    public init(values: [String: String]) throws {
        var tree = try OptionTree(of: DatapathOptions())
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            if let mistake = OptionCatalogue.mistake(name: name, value: value) { throw mistake }
            // Accepted keys of Cilium's surroundings have no property.
            guard let key = OptionCatalogue[OptionCatalogue.aliases[name] ?? name], let read = key.type.read(value)
            else { continue }
            let path = key.name.split(separator: ".")
            // A choice among numbers (maglev.tableSize) stays a number.
            if case .number = tree[path], case .text(let text) = read, let number = Int(text) {
                tree[path] = .number(number)
            } else {
                tree[path] = read
            }
        }
        self = try JSONDecoder().decode(DatapathOptions.self, from: try JSONEncoder().encode(tree))
    }
}

extension OptionTree {
    /// Makes the tree of a value's JSON.
    init(of value: some Encodable) throws {
        self = try JSONDecoder().decode(OptionTree.self, from: try JSONEncoder().encode(value))
    }
}
