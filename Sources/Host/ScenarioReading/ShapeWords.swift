import Shapes

extension Shape {
    /// What messages say is expected, after `must be`.
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
        case .object(let object): object.expected
        case .variants(let variants): "a mapping with \"\(variants.key)\""
        case .scalarOr(let scalar, let other): scalar.expected + " or " + other.expected
        case .any: "anything"
        case .nullable(let shape): shape.expected + " or null"
        case .timestamp: "a date and time of RFC 3339"
        }
    }
}

extension ObjectShape {
    /// A mapping, with the keys that it must have.
    fileprivate var expected: String {
        let required = fields.filter(\.required).map { "\"\($0.name)\"" }
        return required.isEmpty ? "a mapping" : "a mapping with " + required.joined(separator: ", ")
    }
}
