import NetAddress

/// What a value of a file may be. Parsers check values against shapes, JSON Schemas are written from them, and messages
/// take their words from them.
public indirect enum Shape: Sendable {
    /// Text, quoted or plain, that YAML does not read as a number, a flag or null.
    case text(TextRule = .any)
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case flag
    /// A duration such as `200ms`, `1.5s` or `2m`. The range is in seconds.
    case duration(ClosedRange<Double>)
    /// A share of 100, such as `3`, `2.5` or `2.5%`.
    case percent
    /// A port or a range of ports, such as `8472` or `30000-32767`.
    case ports
    /// A port's number, or its name; CiliumNetworkPolicy writes numbers as texts.
    case portOrName
    case choice([String])
    /// `all`, a node's name, or a list of names; with `orNone` also `none`.
    case nodes(orNone: Bool)
    case list(Shape, atLeast: Int = 0)
    /// A list, or one item without the dash.
    case oneOrMore(Shape)
    /// A mapping whose keys the file chooses. The rule is for the keys, the shape for the values.
    case map(TextRule, Shape)
    /// Nested maps with scalars as leaves: a Helm values block.
    case tree
    case object(ObjectShape)
    /// The object that the text under `key` names, or `otherwise` if that object's first field is there instead.
    case variants(Variants)
    /// The first for a scalar, the second for everything else.
    case scalarOr(Shape, Shape)
    /// Any value. It is accepted and not looked at.
    case any
    /// JSON only: a value or null.
    case nullable(Shape)
    /// JSON only: a date and time of RFC 3339.
    case timestamp
}

/// A rule for texts. It is given twice, as a regular expression for JSON Schemas and as code for parsers. The two must
/// agree.
public struct TextRule: Sendable {
    /// A regular expression, of ECMA 262 and Swift alike, that the text must match. Nil accepts every text.
    public let pattern: String?
    /// What messages say is expected: `a name of lower-case letters, digits and dashes`.
    public let expected: String
    /// The valid names. Messages suggest the nearest of them.
    public var names: [String]
    public let accepts: @Sendable (String) -> Bool

    public init(
        pattern: String?, expected: String, names: [String] = [], accepts: @escaping @Sendable (String) -> Bool
    ) {
        self.pattern = pattern
        self.expected = expected
        self.names = names
        self.accepts = accepts
    }

    public static let any = TextRule(pattern: nil, expected: "text") { _ in true }

    public static let nonEmpty = TextRule(pattern: "\\S", expected: "text") { text in
        text.unicodeScalars.contains { !$0.properties.isWhitespace }
    }

    /// A DNS label (RFC 1123).
    public static let dnsLabel = label(upTo: 63)

    /// A DNS label that has to be shorter than others, because it becomes a part of a longer name.
    /// - Parameter most: The most characters that it may have, from 2.
    public static func label(upTo most: Int) -> TextRule {
        TextRule(
            pattern: "^[a-z0-9]([a-z0-9-]{0,\(most - 2)}[a-z0-9])?$",
            expected: "a name of at most \(most) lower-case letters, digits and dashes"
        ) { text in
            let bytes = Array(text.utf8)
            let isAlphanumeric = { (byte: UInt8) in (97...122).contains(byte) || (48...57).contains(byte) }
            guard (1...most).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last) && bytes.allSatisfy { isAlphanumeric($0) || $0 == 45 }
        }
    }

    public static let cidr = TextRule(
        pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$",
        expected: "a network such as 10.0.0.0/16, without host bits"
    ) { IPv4CIDR(network: $0) != nil }

    /// An IPv4 address in dotted decimal.
    public static let address = TextRule(
        pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", expected: "an IPv4 address such as 10.0.0.5"
    ) { IPv4Address($0) != nil }

    /// The name of a container's or service's port. Names of ICMP types have capital letters.
    public static let portName = TextRule(
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
public struct ObjectShape: Sendable {
    /// What messages and the schema's definitions call it: `step`, `matrix rule`.
    public let name: String
    public let help: String
    public let fields: [Field]
    /// Keys of which at least one must be there. Empty if there is no such rule.
    public var oneOf: [String]
    /// Keys that exist in Kubernetes and would change what is measured, but that are not acted on. A file that has one
    /// is refused with its name.
    public var refused: [String]
    /// Why the refused keys are refused, for messages.
    public var refusal: String
    /// Whether it may have further keys, which are not looked at.
    public var isOpen = false

    public init(
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

    public subscript(key: String) -> Field? { fields.first { $0.name == key } }

    /// The same shape without one of its keys.
    public func without(_ key: String) -> ObjectShape {
        ObjectShape(
            name: name, help: help, fields: fields.filter { $0.name != key }, oneOf: oneOf, refused: refused,
            refusal: refusal)
    }

    /// The same shape, in which it and every object inside of it may have further keys.
    public var opened: ObjectShape {
        var open = ObjectShape(name: name, help: help, fields: fields.map(\.opened), oneOf: oneOf)
        open.isOpen = true
        return open
    }
}

/// A key of an object, and what its value may be.
public struct Field: Sendable {
    public let name: String
    public let shape: Shape
    public let required: Bool
    public let help: String
    /// The only text that is allowed, as for `kind`.
    public var constant: String?

    public init(_ name: String, _ shape: Shape, required: Bool = false, constant: String? = nil, _ help: String) {
        self.name = name
        self.shape = shape
        self.required = required
        self.constant = constant
        self.help = help
    }

    fileprivate var opened: Field { Field(name, shape.opened, required: required, constant: constant, help) }
}

extension Shape {
    /// The same shape with every object inside of it open.
    fileprivate var opened: Shape {
        switch self {
        case .list(let item, let least): .list(item.opened, atLeast: least)
        case .oneOrMore(let item): .oneOrMore(item.opened)
        case .map(let rule, let item): .map(rule, item.opened)
        case .object(let object): .object(object.opened)
        case .variants(let variants): .variants(variants.opened)
        case .scalarOr(let scalar, let other): .scalarOr(scalar, other.opened)
        case .nullable(let shape): .nullable(shape.opened)
        default: self
        }
    }
}

/// Objects that are told apart by the text under one key, such as a manifest's `kind`.
public struct Variants: Sendable {
    public let name: String
    public let key: String
    public let objects: [(key: String, shape: ObjectShape)]
    public var otherwise: ObjectShape?
    /// The shape of an object whose text under `key` names none of `objects`; nil if there must not be one.
    public var unknown: ObjectShape?

    public init(
        name: String, key: String, objects: [(key: String, shape: ObjectShape)], otherwise: ObjectShape? = nil
    ) {
        self.name = name
        self.key = key
        self.objects = objects
        self.otherwise = otherwise
    }

    /// The same variants, each of them open.
    public var opened: Variants {
        var open = Variants(
            name: name, key: key, objects: objects.map { ($0.key, $0.shape.opened) }, otherwise: otherwise)
        open.unknown = unknown
        return open
    }
}
