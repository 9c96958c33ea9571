import ScenarioReading
import Shapes

/// Turns shapes into JSON Schema, draft 2020-12. Named objects become definitions, and each is written once.
struct SchemaWriter {
    private var definitions: [(name: String, schema: JSONText)] = []

    /// Returns a whole schema document.
    static func document(_ object: ObjectShape, id: String, title: String) -> JSONText {
        var writer = SchemaWriter()
        let root = writer.body(of: object)
        var members: [JSONText.Member] = [
            .init(key: "$schema", value: .string("https://json-schema.org/draft/2020-12/schema")),
            .init(key: "$id", value: .string("https://labrun.dev/schemas/\(id)")),
            .init(key: "title", value: .string(title)),
        ]
        if case .object(let body) = root { members += body }
        let sorted = writer.definitions.sorted { $0.name < $1.name }
        members.append(.init(key: "$defs", value: .object(sorted.map { .init(key: $0.name, value: $0.schema) })))
        return .object(members)
    }

    private mutating func schema(_ shape: Shape) -> JSONText {
        switch shape {
        case .text(let rule): return text(rule)
        case .integer(let range):
            return .object([
                "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
            ])
        case .number(let range):
            var schema = JSONText.object(["type": "number"])
            if range.lowerBound.isFinite { schema = schema.adding("minimum", .number(range.lowerBound)) }
            if range.upperBound.isFinite { schema = schema.adding("maximum", .number(range.upperBound)) }
            return schema
        case .flag: return .object(["type": "boolean"])
        case .duration:
            return .object(["type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m)$"])
        case .percent:
            return .object([
                "anyOf": .array([
                    .object(["type": "number", "minimum": .integer(0), "maximum": .integer(100)]),
                    .object(["type": "string", "pattern": "^(100(\\.0+)?|[0-9]{1,2}(\\.[0-9]+)?)%?$"]),
                ])
            ])
        case .ports:
            return .object([
                "anyOf": .array([
                    .object(["type": "integer", "minimum": .integer(1), "maximum": .integer(65535)]),
                    .object(["type": "string", "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$"]),
                ])
            ])
        case .portOrName:
            return .object([
                "anyOf": .array([
                    .object(["type": "integer", "minimum": .integer(0), "maximum": .integer(65535)]),
                    .object(["type": "string", "pattern": .string(TextRule.portName.pattern ?? "")]),
                ])
            ])
        case .choice(let names): return .object(["enum": .array(names.map { .string($0) })])
        case .nodes:
            return oneOrMore(.object(["type": "string", "minLength": .integer(1)]))
        case .list(let item, let least):
            let list = JSONText.object(["type": "array", "items": schema(item)])
            return least > 0 ? list.adding("minItems", .integer(least)) : list
        case .oneOrMore(let item): return oneOrMore(schema(item))
        case .map(let rule, let item):
            let map = JSONText.object(["type": "object", "additionalProperties": schema(item)])
            return rule.pattern.map { map.adding("propertyNames", .object(["pattern": .string($0)])) } ?? map
        case .tree: return define("values", treeObject)
        case .object(let object): return reference(to: object)
        case .variants(let variants): return self.variants(variants)
        case .scalarOr(let scalar, let other): return .object(["anyOf": .array([schema(scalar), schema(other)])])
        case .any: return .bool(true)
        case .nullable(let shape): return .object(["anyOf": .array([schema(shape), .object(["type": "null"])])])
        case .timestamp: return .object(["type": "string", "format": "date-time"])
        }
    }

    private func text(_ rule: TextRule) -> JSONText {
        let text = JSONText.object(["type": "string"])
        return rule.pattern.map { text.adding("pattern", .string($0)) } ?? text
    }

    private func oneOrMore(_ item: JSONText) -> JSONText {
        .object([
            "anyOf": .array([item, .object(["type": "array", "items": item, "minItems": .integer(1)])])
        ])
    }

    private var treeObject: JSONText {
        let scalar = JSONText.object(["type": .array(["string", "number", "boolean"])])
        return .object([
            "type": "object",
            "additionalProperties": .object([
                "anyOf": .array([
                    scalar, .object(["type": "array", "items": scalar]),
                    .object(["$ref": "#/$defs/values"]),
                ])
            ]),
        ])
    }

    private mutating func reference(to object: ObjectShape) -> JSONText {
        define(object.name, body(of: object))
    }

    /// Adds a definition under the object's name. Another object of the same name gets a number.
    private mutating func define(_ name: String, _ schema: JSONText) -> JSONText {
        let slug = String(name.map { $0.isLetter || $0.isNumber ? $0 : "-" }).replacing("--", with: "-")
        var candidate = slug
        var number = 1
        while let existing = definitions.first(where: { $0.name == candidate }), existing.schema != schema {
            number += 1
            candidate = "\(slug)-\(number)"
        }
        if !definitions.contains(where: { $0.name == candidate }) { definitions.append((candidate, schema)) }
        return .object(["$ref": .string("#/$defs/\(candidate)")])
    }

    private mutating func body(of object: ObjectShape) -> JSONText {
        var properties: [JSONText.Member] = []
        for field in object.fields {
            let shape = field.constant.map { JSONText.object(["const": .string($0)]) } ?? schema(field.shape)
            properties.append(.init(key: field.name, value: Self.described(shape, field.help)))
        }
        let required = object.fields.filter(\.required).map { JSONText.string($0.name) }
        var members: [JSONText.Member] = [
            .init(key: "description", value: .string(object.help)), .init(key: "type", value: "object"),
            .init(key: "properties", value: .object(properties)),
        ]
        if !required.isEmpty { members.append(.init(key: "required", value: .array(required))) }
        if !object.oneOf.isEmpty {
            let choices = object.oneOf.map { JSONText.object(["required": .array([.string($0)])]) }
            members.append(.init(key: "anyOf", value: .array(choices)))
        }
        members.append(.init(key: "additionalProperties", value: .bool(object.isOpen)))
        return .object(members)
    }

    private static func described(_ schema: JSONText, _ help: String) -> JSONText {
        if case .bool = schema { return .object(["description": .string(help)]) }
        return schema.adding("description", .string(help))
    }

    /// Writes the choice of an object by its key's value: `if` the key has this value, `then` that object.
    private mutating func variants(_ variants: Variants) -> JSONText {
        var branches: [JSONText] = []
        for (name, object) in variants.objects {
            branches.append(
                .object([
                    "if": .object([
                        "properties": .object([.init(key: variants.key, value: .object(["const": .string(name)]))]),
                        "required": .array([.string(variants.key)]),
                    ]),
                    "then": reference(to: object),
                ]))
        }
        let names = JSONText.object(["enum": .array(variants.objects.map { .string($0.key) })])
        if let unknown = variants.unknown {
            branches.append(
                .object([
                    "if": .object([
                        "properties": .object([.init(key: variants.key, value: .object(["not": names]))]),
                        "required": .array([.string(variants.key)]),
                    ]),
                    "then": reference(to: unknown),
                ]))
        }
        var selected = JSONText.object([
            "type": "object", "required": .array([.string(variants.key)]),
        ])
        if variants.unknown == nil {
            selected = selected.adding("properties", .object([.init(key: variants.key, value: names)]))
        }
        selected = selected.adding("allOf", .array(branches))
        guard let otherwise = variants.otherwise else { return define(variants.name, selected) }
        let choice = JSONText.object([
            "if": .object(["type": "object", "required": .array([.string(variants.key)])]), "then": selected,
            "else": reference(to: otherwise),
        ])
        return define("\(variants.name) or file", choice)
    }
}

extension JSONText: ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self = .string(value) }
}
