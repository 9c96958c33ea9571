import Shapes

/// Checks values against shapes and collects every mistake with its place.
package struct ShapeChecker {
    package let file: String
    package private(set) var problems: [Problem] = []
    /// What was concluded from the file as a whole. While the file has other mistakes, a conclusion may only follow
    /// from them, so it is to be told if there are none.
    package private(set) var conclusions: [Problem] = []
    /// Nodes of the lab that are not there at the place that is read, so that a message can say so.
    package var absentNodes: [String] = []
    /// Nodes that an autoscaler may launch or end at any step, so that no file says when they are there.
    package var launchableNodes: [String] = []

    /// More mistakes of one file are not listed, only counted.
    package static let problemLimit = 200

    /// Finding the nearest name takes time, which is not spent on mistakes that are not listed.
    private var suggests: Bool { problems.count <= Self.problemLimit }

    package init(file: String) {
        self.file = file
    }

    package mutating func report(_ place: Place, _ message: String, expected: String? = nil, suggestion: String? = nil)
    {
        problems.append(
            Problem(
                file: file, line: place.line, column: place.column, message: message, expected: expected,
                suggestion: suggestion))
    }

    /// Notes a conclusion. A warning is about something that has no effect, and does not keep the file from being run.
    package mutating func conclude(
        _ severity: Problem.Severity, _ place: Place, _ message: String, expected: String? = nil
    ) {
        conclusions.append(
            Problem(
                severity: severity, file: file, line: place.line, column: place.column, message: message,
                expected: expected))
    }

    /// Notes a conclusion about any file.
    package mutating func conclude(_ conclusion: Problem) { conclusions.append(conclusion) }

    /// - Parameter name: the value's key, or what the value is, for messages.
    package mutating func check(_ value: YAMLValue, _ shape: Shape, _ name: String) {
        switch shape {
        case .text(let rule): checkText(value, rule, name)
        case .integer(let range):
            if !(value.integer.map(range.contains) ?? false) { mismatch(value, shape, name) }
        case .number(let range):
            let number = [.integer, .number].contains(value.scalarKind) ? value.text.flatMap { Double($0) } : nil
            if !(number.map(range.contains) ?? false) { mismatch(value, shape, name) }
        case .flag: if value.flag == nil { mismatch(value, shape, name) }
        case .duration(let range):
            let seconds = value.scalarKind == .text ? value.text.flatMap(Units.seconds) : nil
            if !(seconds.map(range.contains) ?? false) { mismatch(value, shape, name) }
        case .percent: if value.text.flatMap(Units.percent) == nil { mismatch(value, shape, name) }
        case .ports: if value.text.flatMap(Units.ports) == nil { mismatch(value, shape, name) }
        case .portOrName:
            let isNumber = value.text.flatMap { Int($0) }.map { (0...65_535).contains($0) }
            let isName = value.scalarKind == .text && value.text.map(TextRule.portName.accepts) == true
            if !(isNumber ?? isName) { mismatch(value, shape, name) }
        case .choice(let names): checkChoice(value, names, shape, name)
        case .nodes: checkTexts(value, shape, name)
        case .list(let item, let least):
            guard case .list(let items) = value.content, items.count >= least else {
                return mismatch(value, shape, name)
            }
            for value in items { check(value, item, "an item of \(name)") }
        case .oneOrMore(let item):
            if case .list(let items) = value.content {
                if items.isEmpty { return mismatch(value, shape, name) }
                for value in items { check(value, item, "an item of \(name)") }
                if item.isChoice { checkDistinct(items, name) }
            } else {
                check(value, item, name)
            }
        case .map(let rule, let item):
            guard case .map(let entries) = value.content else { return mismatch(value, shape, name) }
            for entry in entries {
                if !rule.accepts(entry.key) {
                    report(entry.keyPlace, "key \"\(entry.key)\" of \(name) is not right", expected: rule.expected)
                }
                check(entry.value, item, entry.key)
            }
        case .tree: checkTree(value, name, top: true)
        case .object(let object): check(value, object, name)
        case .variants(let variants): check(value, variants, name)
        case .scalarOr(let scalar, let other):
            if case .scalar = value.content { check(value, scalar, name) } else { check(value, other, name) }
        case .any, .nullable, .timestamp: break
        }
    }

    private mutating func checkDistinct(_ items: [YAMLValue], _ name: String) {
        var seen: Set<String> = []
        for item in items {
            guard let text = item.text, !seen.insert(text).inserted else { continue }
            report(item.place, "\"\(text)\" is given twice in \(name)")
        }
    }

    private mutating func mismatch(_ value: YAMLValue, _ shape: Shape, _ name: String) {
        let found = value.scalarKind == .null ? "nothing is given" : "\(value.description) is given"
        var nearest: String?
        if case .text(let rule) = shape, let text = value.text { nearest = NearestName.of(text, among: rule.names) }
        report(
            value.place, "\(name) must be \(shape.expected), but \(found)", expected: shape.expected,
            suggestion: nearest)
    }

    private mutating func checkText(_ value: YAMLValue, _ rule: TextRule, _ name: String) {
        switch value.scalarKind {
        case .text where value.text.map(rule.accepts) ?? false: break
        case .integer, .number, .flag:
            report(
                value.place, "\(name) must be \(rule.expected), but \(value.description) is given; put it in quotes",
                expected: rule.expected)
        default: mismatch(value, .text(rule), name)
        }
    }

    private mutating func checkChoice(_ value: YAMLValue, _ names: [String], _ shape: Shape, _ name: String) {
        guard let text = value.text, value.scalarKind == .text || names.contains(text) else {
            return mismatch(value, shape, name)
        }
        if !names.contains(text) {
            report(
                value.place, "\(name) must be \(shape.expected), but \(value.description) is given",
                expected: shape.expected, suggestion: NearestName.of(text, among: names))
        } else if value.scalarKind != .text {
            report(value.place, "\(name): put \(text) in quotes, so that it stays text", expected: shape.expected)
        }
    }

    private mutating func checkTexts(_ value: YAMLValue, _ shape: Shape, _ name: String) {
        let items = value.oneOrMore
        if items.isEmpty { return mismatch(value, shape, name) }
        for item in items where item.scalarKind != .text || item.text?.isEmpty ?? true { mismatch(item, shape, name) }
    }

    private mutating func checkTree(_ value: YAMLValue, _ name: String, top: Bool) {
        switch value.content {
        case .map(let entries): for entry in entries { checkTree(entry.value, entry.key, top: false) }
        case _ where top: mismatch(value, .tree, name)
        case _ where value.isTreeLeaf: break
        default:
            let found = value.scalarKind == .null ? "nothing" : value.description
            report(value.place, "\(name) must be a value or a list of values, but \(found) is given")
        }
    }

    package mutating func check(_ value: YAMLValue, _ object: ObjectShape, _ name: String) {
        guard case .map(let entries) = value.content else { return mismatch(value, .object(object), name) }
        for entry in entries {
            guard let field = object[entry.key] else {
                if object.isOpen { continue }
                if object.refused.contains(entry.key) {
                    report(entry.keyPlace, "\(entry.key) in \(object.name) is not supported: \(object.refusal)")
                    continue
                }
                let names = object.fields.map(\.name)
                report(
                    entry.keyPlace, "unknown key \"\(entry.key)\" in \(object.name)",
                    expected: "one of " + names.joined(separator: ", "),
                    suggestion: suggests ? NearestName.of(entry.key, among: names) : nil)
                continue
            }
            if let constant = field.constant {
                check(entry.value, .choice([constant]), entry.key)
            } else {
                check(entry.value, field.shape, entry.key)
            }
        }
        for field in object.fields where field.required && value[field.name] == nil {
            report(value.place, "\(object.name) has no \"\(field.name)\"", expected: field.shape.expected)
        }
        if !object.oneOf.isEmpty, !object.oneOf.contains(where: { value[$0] != nil }) {
            report(value.place, "\(object.name) has none of " + object.oneOf.joined(separator: ", "))
        }
    }

    private mutating func check(_ value: YAMLValue, _ variants: Variants, _ name: String) {
        guard case .map = value.content else { return mismatch(value, .variants(variants), name) }
        guard let selector = value[variants.key] else {
            if let otherwise = variants.otherwise, let first = otherwise.fields.first, value[first.name] != nil {
                return check(value, otherwise, name)
            }
            let names = variants.objects.map(\.key)
            // A key that is nearly right explains the missing one.
            for entry in value.entries {
                guard NearestName.of(entry.key, among: [variants.key]) != nil else { continue }
                report(
                    entry.keyPlace, "unknown key \"\(entry.key)\" in \(variants.name)", suggestion: variants.key)
                return
            }
            report(
                value.place, "\(variants.name) has no \"\(variants.key)\"", expected: Shape.choice(names).expected)
            return
        }
        guard let object = variants.objects.first(where: { $0.key == selector.text })?.shape else {
            return checkUnknown(selector, of: value, variants)
        }
        check(value, object, name)
    }

    private mutating func checkUnknown(_ selector: YAMLValue, of value: YAMLValue, _ variants: Variants) {
        let names = variants.objects.map(\.key)
        guard let text = selector.text, selector.scalarKind == .text else {
            return mismatch(selector, variants.unknown == nil ? .choice(names) : .text(.nonEmpty), variants.key)
        }
        if let unknown = variants.unknown { return check(value, unknown, variants.name) }
        report(
            selector.place, "unknown \(variants.key) \"\(text)\"", expected: Shape.choice(names).expected,
            suggestion: NearestName.of(text, among: names))
    }
}

extension Shape {
    /// Whether its values are a few words that are known, so that a list with one of them twice is a slip.
    fileprivate var isChoice: Bool {
        switch self {
        case .choice: true
        case .text(let rule): !rule.names.isEmpty
        default: false
        }
    }
}
