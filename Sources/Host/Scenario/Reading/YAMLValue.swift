import Yams

/// A place in a file: line and column from 1.
struct Place: Hashable, Comparable {
    var line: Int
    var column: Int

    static func < (a: Place, b: Place) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// A YAML node without its anchors and tags: what the shapes are held against.
struct YAMLValue {
    struct Entry {
        let key: String
        let keyPlace: Place
        let value: YAMLValue
    }
    enum Content {
        /// `plain`: written without quotes, so that `3`, `true` and `~` are not text.
        case scalar(String, plain: Bool)
        case list([YAMLValue])
        case map([Entry])
    }
    let content: Content
    let place: Place

    /// The value of a key; nil in anything but a map.
    subscript(key: String) -> YAMLValue? {
        entries.first { $0.key == key }?.value
    }

    var entries: [Entry] {
        if case .map(let entries) = content { entries } else { [] }
    }

    var items: [YAMLValue] {
        if case .list(let items) = content { items } else { [] }
    }

    /// A list's items, or the value itself where one stands for a list of one.
    var oneOrMore: [YAMLValue] {
        if case .list(let items) = content { items } else { [self] }
    }

    /// The scalar's text as written, without quotes.
    var text: String? {
        if case .scalar(let text, _) = content { text } else { nil }
    }

    var texts: [String] { oneOrMore.compactMap(\.text) }

    /// How YAML 1.2's core schema reads a plain scalar.
    enum ScalarKind { case null, flag, integer, number, text }

    var scalarKind: ScalarKind? {
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

    var flag: Bool? { scalarKind == .flag ? text?.lowercased() == "true" : nil }
    var integer: Int? { scalarKind == .integer ? text.flatMap { Int($0) } : nil }

    /// What it is, for messages: `a list`, `the number 3`, `"abc"`.
    var description: String {
        switch content {
        case .list: return "a list"
        case .map: return "a mapping"
        case .scalar(let text, _):
            let shown = text.count > 60 ? String(text.prefix(60)) + "…" : text
            let clean = String(String.UnicodeScalarView(shown.unicodeScalars.map { $0.value < 32 ? "\u{FFFD}" : $0 }))
            switch scalarKind {
            case .null: return "nothing"
            case .integer, .number: return "the number \(clean)"
            case .flag: return clean
            default: return "\"\(clean)\""
            }
        }
    }
}
