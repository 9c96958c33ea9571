import PlainText
import Yams

/// A place in a file. Lines and columns count from 1, columns in Unicode scalars.
package struct Place: Hashable, Comparable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (a: Place, b: Place) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// A YAML node without its anchors and tags. Shapes are checked against it, and readers take their values from it.
package struct YAMLValue {
    package struct Entry {
        package let key: String
        package let keyPlace: Place
        package let value: YAMLValue

        package init(key: String, keyPlace: Place, value: YAMLValue) {
            self.key = key
            self.keyPlace = keyPlace
            self.value = value
        }
    }
    package enum Content {
        /// `plain`: written without quotes, so that `3`, `true` and `~` are not text.
        case scalar(String, plain: Bool)
        case list([YAMLValue])
        case map([Entry])
    }
    package let content: Content
    package let place: Place

    package init(content: Content, place: Place) {
        self.content = content
        self.place = place
    }

    /// The value of a key; nil in anything but a map.
    package subscript(key: String) -> YAMLValue? {
        entries.first { $0.key == key }?.value
    }

    package var entries: [Entry] {
        if case .map(let entries) = content { entries } else { [] }
    }

    package var items: [YAMLValue] {
        if case .list(let items) = content { items } else { [] }
    }

    /// A list's items, or the value itself where one stands for a list of one.
    package var oneOrMore: [YAMLValue] {
        if case .list(let items) = content { items } else { [self] }
    }

    /// The scalar's text as written, without quotes.
    package var text: String? {
        if case .scalar(let text, _) = content { text } else { nil }
    }

    /// Whether it can stand at the end of a tree: a value, or a list of values.
    package var isTreeLeaf: Bool {
        switch content {
        case .scalar: scalarKind != .null
        case .list(let items): items.allSatisfy { $0.text != nil && $0.scalarKind != .null }
        case .map: false
        }
    }

    package var texts: [String] { oneOrMore.compactMap(\.text) }

    /// How YAML 1.2's core schema reads a plain scalar.
    package enum ScalarKind { case null, flag, integer, number, text }

    package var scalarKind: ScalarKind? {
        guard case .scalar(let text, let plain) = content else { return nil }
        guard plain else { return .text }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "false", "False", "FALSE": return .flag
        default: break
        }
        let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
        if Units.isDigits(unsigned) { return .integer }
        guard let first = unsigned.utf8.first, (48...57).contains(first) || first == 46,
            unsigned.utf8.allSatisfy({ (48...57).contains($0) || [43, 45, 46, 69, 101].contains($0) }),
            Double(text) != nil
        else { return .text }
        return .number
    }

    package var flag: Bool? { scalarKind == .flag ? text?.lowercased() == "true" : nil }
    package var integer: Int? { scalarKind == .integer ? text.flatMap { Int($0) } : nil }

    /// What it is, for messages: `a list`, `the number 3`, `"abc"`.
    package var description: String {
        switch content {
        case .list(let items): return items.isEmpty ? "an empty list" : "a list"
        case .map(let entries): return entries.isEmpty ? "an empty mapping" : "a mapping"
        case .scalar(let text, _):
            let shown = text.count > 60 ? String(text.prefix(60)) + "…" : text
            let clean = PlainText.line(shown)
            switch scalarKind {
            case .null: return "nothing"
            case .integer, .number: return "the number \(clean)"
            case .flag: return clean
            default: return "\"\(clean)\""
            }
        }
    }
}
