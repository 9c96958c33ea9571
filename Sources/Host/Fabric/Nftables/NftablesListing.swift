import Foundation
import JSON

/// A table as the kernel holds it, read from the JSON that nftables prints.
///
/// A rule's handle and counters are not part of its expression, since they differ between two tables that mean the
/// same.
struct NftablesListing: Equatable {
    struct Rule: Equatable {
        let chain: String
        let handle: Int
        let comment: String
        /// The rule's expressions without counters, as JSON with sorted keys.
        let expression: String
        /// What the rule matches in the words of `Ruleset.match`; nil when these cannot say it.
        let match: String?
        let packets: UInt64
        let bytes: UInt64
    }

    var rules: [Rule] = []
    /// Elements of sets and maps, each as JSON with sorted keys, sorted.
    var elements: [String: [String]] = [:]

    /// Reads a listing.
    ///
    /// - Throws: `FabricError` when the text is not what nftables prints.
    init(json: String) throws(FabricError) {
        guard let root = try? JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)),
            case .object(let top) = root, case .array(let objects) = top["nftables"]
        else { throw FabricError(.nftables, "nftables: not its JSON: \(json.prefix(200))") }
        for case .object(let object) in objects {
            if case .object(let rule) = object["rule"], let parsed = Rule(rule) { rules.append(parsed) }
            for kind in ["set", "map"] {
                guard case .object(let set) = object[kind], case .string(let name) = set["name"] else { continue }
                guard case .array(let members) = set["elem"] else {
                    elements[name] = []
                    continue
                }
                elements[name] = members.map(\.canonicalText).sorted()
            }
        }
    }
}

extension NftablesListing.Rule {
    init?(_ rule: [String: JSONValue]) {
        guard case .string(let chain) = rule["chain"], case .integer(let handle) = rule["handle"],
            case .array(let parts) = rule["expr"]
        else { return nil }
        var counted: (UInt64, UInt64) = (0, 0)
        var kept: [JSONValue] = []
        for part in parts {
            if case .object(let statement) = part, case .object(let counter) = statement["counter"] {
                counted = (counter["packets"]?.count ?? 0, counter["bytes"]?.count ?? 0)
                kept.append(.object(["counter": .null]))
            } else {
                kept.append(part)
            }
        }
        self.chain = chain
        self.handle = Int(handle)
        if case .string(let text) = rule["comment"] { comment = text } else { comment = "" }
        expression = JSONValue.array(kept).canonicalText
        match = Self.match(parts)
        (packets, bytes) = counted
    }
}

extension JSONValue {
    /// A whole number that is not negative, such as a counter, a port or the length of a prefix.
    var count: UInt64? { integerValue.flatMap { UInt64(exactly: $0) } }
}
