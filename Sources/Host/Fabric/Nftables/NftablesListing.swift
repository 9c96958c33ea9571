import Foundation

/// A table as the kernel has it, read from nftables' JSON. Handles and counters are kept apart from what identifies a
/// rule.
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
                elements[name] = members.map(\.canonical).sorted()
            }
        }
    }
}

extension NftablesListing.Rule {
    init?(_ rule: [String: JSONValue]) {
        guard case .string(let chain) = rule["chain"], case .number(let handle) = rule["handle"],
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
        expression = JSONValue.array(kept).canonical
        match = Self.match(parts)
        (packets, bytes) = counted
    }
}

/// Any JSON.
enum JSONValue: Codable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// One text a value, whatever the order of keys was.
    var canonical: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let value): Int64(exactly: value).map { "\($0)" } ?? "\(value)"
        case .string(let value): "\"\(value)\""
        case .array(let values): "[" + values.map(\.canonical).joined(separator: ",") + "]"
        case .object(let members):
            "{"
                + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value.canonical)" }
                .joined(separator: ",") + "}"
        }
    }

    var count: UInt64? {
        if case .number(let value) = self { UInt64(exactly: value) } else { nil }
    }
}
