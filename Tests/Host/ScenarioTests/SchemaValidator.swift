import ScenarioReading

@testable import Scenario

/// The subset of JSON Schema 2020-12 that the published schemas use. An unknown keyword is an error of the schema.
struct SchemaValidator {
    enum Failure: Error { case unknownKeyword(String), badReference(String) }

    /// Expressions of the schema, each compiled once.
    private final class Patterns {
        private var known: [String: Regex<AnyRegexOutput>] = [:]

        func compiled(_ pattern: String) throws -> Regex<AnyRegexOutput> {
            if let regex = known[pattern] { return regex }
            let regex = try Regex(pattern)
            known[pattern] = regex
            return regex
        }
    }

    let root: JSONText
    private let patterns = Patterns()

    init(root: JSONText) { self.root = root }

    func accepts(_ value: JSONText) throws -> Bool { try accepts(value, root) }

    private func accepts(_ value: JSONText, _ schema: JSONText) throws -> Bool {
        if case .bool(let allowed) = schema { return allowed }
        guard case .object(let members) = schema else { return false }
        return try members.allSatisfy { try holds($0.key, $0.value, value, schema) }
    }

    private func holds(_ keyword: String, _ rule: JSONText, _ value: JSONText, _ schema: JSONText) throws -> Bool {
        switch keyword {
        case "$schema", "$id", "title", "description", "$defs", "format", "then", "else": return true
        case "$ref":
            guard case .string(let path) = rule, path.hasPrefix("#/$defs/"),
                let target = root["$defs"]?[String(path.dropFirst(8))]
            else { throw Failure.badReference("\(rule)") }
            return try accepts(value, target)
        case "type": return items(rule).contains { isType(value, $0) }
        case "const": return value == rule
        case "enum": return items(rule).contains(value)
        case "pattern":
            guard case .string(let text) = value, case .string(let pattern) = rule else { return true }
            return try patterns.compiled(pattern).firstMatch(in: text) != nil
        case "minLength":
            guard case .string(let text) = value, case .integer(let least) = rule else { return true }
            return text.count >= least
        case "minimum", "maximum":
            guard let given = number(value), let limit = number(rule) else { return true }
            return keyword == "minimum" ? given >= limit : given <= limit
        case "minItems":
            guard case .array(let list) = value, case .integer(let least) = rule else { return true }
            return list.count >= least
        case "items":
            guard case .array(let list) = value else { return true }
            return try list.allSatisfy { try accepts($0, rule) }
        case "required": return objectKeys(value).map { keys in items(rule).allSatisfy { keys.contains($0) } } ?? true
        case "properties":
            guard case .object(let given) = value else { return true }
            return try given.allSatisfy { member in try rule[member.key].map { try accepts(member.value, $0) } ?? true }
        case "additionalProperties":
            guard case .object(let given) = value else { return true }
            return try given.filter { schema["properties"]?[$0.key] == nil }.allSatisfy { try accepts($0.value, rule) }
        case "propertyNames": return try (objectKeys(value) ?? []).allSatisfy { try accepts($0, rule) }
        case "anyOf": return try items(rule).contains { try accepts(value, $0) }
        case "not": return try !accepts(value, rule)
        case "allOf": return try items(rule).allSatisfy { try accepts(value, $0) }
        case "if":
            let branch = try accepts(value, rule) ? schema["then"] : schema["else"]
            return try branch.map { try accepts(value, $0) } ?? true
        default: throw Failure.unknownKeyword(keyword)
        }
    }

    private func items(_ rule: JSONText) -> [JSONText] {
        if case .array(let items) = rule { items } else { [rule] }
    }

    private func objectKeys(_ value: JSONText) -> [JSONText]? {
        if case .object(let members) = value { members.map { .string($0.key) } } else { nil }
    }

    private func number(_ value: JSONText) -> Double? {
        switch value {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }

    private func isType(_ value: JSONText, _ type: JSONText) -> Bool {
        switch (value, type) {
        case (.string, "string"), (.bool, "boolean"), (.null, "null"), (.array, "array"), (.object, "object"),
            (.integer, "integer"), (.integer, "number"), (.number, "number"):
            true
        default: false
        }
    }
}

extension YAMLValue {
    /// The value in JSON, read by YAML's core schema.
    var json: JSONText {
        switch content {
        case .list(let items): return .array(items.map(\.json))
        case .map(let entries): return .object(entries.map { .init(key: $0.key, value: $0.value.json) })
        case .scalar(let text, _):
            switch scalarKind {
            case .null: return .null
            case .flag: return .bool(text.lowercased() == "true")
            case .integer: return Int(text).map { .integer($0) } ?? .number(Double(text) ?? 0)
            case .number: return .number(Double(text) ?? 0)
            default: return .string(text)
            }
        }
    }
}
