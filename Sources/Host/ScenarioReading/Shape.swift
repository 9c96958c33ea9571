import NetAddress

/// What a value of a file may be. One table of shapes serves the parser, the JSON Schemas and the texts of messages.
package indirect enum Shape: Sendable {
    /// Quoted or plain text that YAML does not read as a number, flag or null.
    case text(TextRule = .any)
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case flag
    /// `200ms`, `1.5s`, `2m`, in seconds.
    case duration(ClosedRange<Double>)
    /// `3`, `2.5`, `2.5%`
    case percent
    /// `8472`, `30000-32767`
    case ports
    /// A port's number, or its name; CiliumNetworkPolicy writes numbers as texts.
    case portOrName
    case choice([String])
    /// `all`, a node's name, a list of names; `none` where `orNone`.
    case nodes(orNone: Bool)
    case list(Shape, atLeast: Int)
    /// A list, or one item without the dash.
    case oneOrMore(Shape)
    /// Keys of the file's own.
    case map(TextRule, Shape)
    /// Nested maps with scalars as leaves: a Helm values block.
    case tree
    case object(ObjectShape)
    /// The object that the text below `key` names; `otherwise` (if any) when its first field is there instead.
    case variants(Variants)
    /// The first for a scalar, the second for everything else.
    case scalarOr(Shape, Shape)
    /// Accepted and not looked at.
    case any
    /// JSON only: a value or null.
    case nullable(Shape)
    /// JSON only: a date and time of RFC 3339.
    case timestamp
}

/// A rule for texts, as a regular expression for the schema and as code for the reader; the two must agree.
package struct TextRule: Sendable {
    /// Regular expression (ECMA 262 and Swift) of the whole text.
    package let pattern: String?
    /// For messages: `a name of lower-case letters, digits and dashes`.
    package let expected: String
    /// Names of which the nearest one is suggested.
    package var names: [String]
    package let accepts: @Sendable (String) -> Bool

    package init(
        pattern: String?, expected: String, names: [String] = [], accepts: @escaping @Sendable (String) -> Bool
    ) {
        self.pattern = pattern
        self.expected = expected
        self.names = names
        self.accepts = accepts
    }

    package static let any = TextRule(pattern: nil, expected: "text") { _ in true }

    package static let nonEmpty = TextRule(pattern: "\\S", expected: "text") { text in
        text.unicodeScalars.contains { !$0.properties.isWhitespace }
    }

    /// RFC 1123 label.
    package static let dnsLabel = TextRule(
        pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        expected: "a name of at most 63 lower-case letters, digits and dashes"
    ) { text in
        let bytes = Array(text.utf8)
        let isAlphanumeric = { (byte: UInt8) in (97...122).contains(byte) || (48...57).contains(byte) }
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last) && bytes.allSatisfy { isAlphanumeric($0) || $0 == 45 }
    }

    package static let cidr = TextRule(
        pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$",
        expected: "a network such as 10.0.0.0/16, without host bits"
    ) { IPv4CIDR(network: $0) != nil }

    /// The name of a container's or service's port. Names of ICMP types have capital letters.
    package static let portName = TextRule(
        pattern: "^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$", expected: "a port's name"
    ) { text in
        let bytes = Array(text.utf8)
        let isAlphanumeric = { (byte: UInt8) in
            (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
        }
        guard (1...32).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last) && bytes.allSatisfy { isAlphanumeric($0) || $0 == 45 }
    }
}

/// A mapping with known keys.
package struct ObjectShape: Sendable {
    /// For messages and definitions: `step`, `matrix rule`.
    package let name: String
    package let help: String
    package let fields: [Field]
    /// One of these keys must be there.
    package var oneOf: [String]
    /// Keys that exist elsewhere (in Kubernetes) and would change what is measured, but are not acted on: refused by
    /// name.
    package var refused: [String]
    /// Why they are.
    package var refusal: String

    package init(
        name: String, help: String, fields: [Field], oneOf: [String] = [], refused: [String] = [],
        refusal: String = "no pod is placed by it"
    ) {
        self.name = name
        self.help = help
        self.fields = fields
        self.oneOf = oneOf
        self.refused = refused
        self.refusal = refusal
    }

    package subscript(key: String) -> Field? { fields.first { $0.name == key } }
}

/// A key of an object, and what its value may be.
package struct Field: Sendable {
    package let name: String
    package let shape: Shape
    package let required: Bool
    package let help: String
    /// The only text allowed (headers).
    package var constant: String?

    package init(_ name: String, _ shape: Shape, required: Bool = false, constant: String? = nil, _ help: String) {
        self.name = name
        self.shape = shape
        self.required = required
        self.constant = constant
        self.help = help
    }
}

/// Objects that are told apart by the text below one key, such as a manifest's `kind`.
package struct Variants: Sendable {
    package let name: String
    package let key: String
    package let objects: [(key: String, shape: ObjectShape)]
    package var otherwise: ObjectShape?

    package init(
        name: String, key: String, objects: [(key: String, shape: ObjectShape)], otherwise: ObjectShape? = nil
    ) {
        self.name = name
        self.key = key
        self.objects = objects
        self.otherwise = otherwise
    }
}

extension Shape {
    /// For messages: `must be …`.
    package var expected: String {
        switch self {
        case .text(let rule): rule.expected
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .flag: "true or false"
        case .duration(let range):
            "a duration from \(Units.text(seconds: range.lowerBound)) to \(Units.text(seconds: range.upperBound)) "
                + "such as 200ms, 1.5s or 2m"
        case .percent: "a share from 0 to 100 %, such as 3 or 2.5%"
        case .ports: "a port such as 8472 or a range such as 30000-32767"
        case .portOrName: "a number from 0 to 65535 or a name such as http"
        case .choice(let names): names.count == 1 ? "\"\(names[0])\"" : "one of " + names.joined(separator: ", ")
        case .nodes(let orNone): "all,\(orNone ? " none," : "") a node's name or a list of names"
        case .list(_, let count): count > 0 ? "a list of at least \(count)" : "a list"
        case .oneOrMore(let item): item.expected + ", or a list of such"
        case .map: "a mapping"
        case .tree: "a mapping of option names to values"
        case .object(let object): "a \(object.name)"
        case .variants(let variants): "a \(variants.name)"
        case .scalarOr(let scalar, let other): scalar.expected + " or " + other.expected
        case .any: "anything"
        case .nullable(let shape): shape.expected + " or null"
        case .timestamp: "a date and time of RFC 3339"
        }
    }
}
