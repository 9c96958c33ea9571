/// The parts of a regular expression.
indirect enum TextPatternNode: Sendable {
    case empty
    case octet(OctetSet)
    case sequence([TextPatternNode])
    case either(TextPatternNode, TextPatternNode)
    /// A repetition; `most` is nil without an upper bound.
    case repeated(TextPatternNode, least: Int, most: Int?)
}

/// Parses a pattern from left to right.
struct TextPatternParser {
    private let text: [UInt8]
    private var position = 0
    private var depth = 0

    typealias Mistake = TextPattern.Mistake

    init(_ text: [UInt8]) { self.text = text }

    mutating func parse() throws(Mistake) -> TextPatternNode {
        // An anchor changes nothing, since the whole text must match anyway.
        if next == UInt8(ascii: "^") { position += 1 }
        let node = try alternatives()
        if position < text.count { throw mistake("\")\" without \"(\"") }
        return node
    }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private func mistake(_ text: String) -> Mistake { Mistake(description: "\(text) at octet \(position + 1)") }

    private mutating func take(_ octet: Character) -> Bool {
        guard let ascii = octet.asciiValue, next == ascii else { return false }
        position += 1
        return true
    }

    private mutating func alternatives() throws(Mistake) -> TextPatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= TextPattern.depthLimit else { throw mistake("groups deeper than \(TextPattern.depthLimit)") }
        var all = [try sequence()]
        while take("|") { all.append(try sequence()) }
        let last = all.removeLast()
        return all.reversed().reduce(last) { .either($1, $0) }
    }

    private mutating func sequence() throws(Mistake) -> TextPatternNode {
        var parts: [TextPatternNode] = []
        while let octet = next, octet != UInt8(ascii: "|"), octet != UInt8(ascii: ")") {
            if octet == UInt8(ascii: "$") {
                guard position + 1 == text.count else { throw mistake("\"$\" before the end") }
                position += 1
                continue
            }
            let atom = try atom()
            parts.append(try repetition(of: atom))
        }
        return parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func repetition(of atom: TextPatternNode) throws(Mistake) -> TextPatternNode {
        var node = atom
        if take("*") {
            node = .repeated(atom, least: 0, most: nil)
        } else if take("+") {
            node = .repeated(atom, least: 1, most: nil)
        } else if take("?") {
            node = .repeated(atom, least: 0, most: 1)
        } else if take("{") {
            let least = try number()
            var most: Int? = least
            if take(",") { most = next == UInt8(ascii: "}") ? nil : try number() }
            guard take("}") else { throw mistake("\"}\" is missing") }
            if let most, most < least { throw mistake("a repetition that ends before it begins") }
            node = .repeated(atom, least: least, most: most)
        } else {
            return atom
        }
        if let octet = next, "*+?{".utf8.contains(octet) { throw mistake("a repetition of a repetition") }
        return node
    }

    private mutating func number() throws(Mistake) -> Int {
        var value = 0
        let start = position
        while let octet = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) {
            value = value * 10 + Int(octet - UInt8(ascii: "0"))
            guard value <= TextPattern.repetitionLimit else {
                throw mistake("more than \(TextPattern.repetitionLimit) repetitions")
            }
            position += 1
        }
        if position == start { throw mistake("a number is missing") }
        return value
    }

    private mutating func atom() throws(Mistake) -> TextPatternNode {
        guard let octet = next else { return .empty }
        switch Character(UnicodeScalar(octet)) {
        case "(":
            position += 1
            if take("?"), !take(":") { throw mistake("\"(?\" is not supported") }
            let node = try alternatives()
            guard take(")") else { throw mistake("\")\" is missing") }
            return node
        case "[":
            position += 1
            return .octet(try bracket())
        case "\\":
            position += 1
            return .octet(try escape())
        case "*", "+", "?", "{": throw mistake("nothing to repeat")
        case "^": throw mistake("\"^\" after the start")
        case ".":
            position += 1
            return .octet(.all)
        default:
            position += 1
            return .octet(OctetSet(octet...octet))
        }
    }

    private static let classes: [(Character, OctetSet)] = {
        let digit = OctetSet(0x30...0x39)
        let word = OctetSet(0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A)
        let space = OctetSet(0x09...0x0D, 0x20...0x20)
        return [
            ("d", digit), ("D", digit.inverted), ("w", word), ("W", word.inverted), ("s", space), ("S", space.inverted),
        ]
    }()

    private mutating func escape() throws(Mistake) -> OctetSet {
        guard let octet = next else { throw mistake("nothing after \"\\\"") }
        let character = Character(UnicodeScalar(octet))
        if let set = Self.classes.first(where: { $0.0 == character })?.1 {
            position += 1
            return set
        }
        if character.isLetter || character.isNumber { throw mistake("\"\\\(character)\" is not supported") }
        position += 1
        return OctetSet(octet...octet)
    }

    private static let named: [String: OctetSet] = [
        "alpha": OctetSet(0x41...0x5A, 0x61...0x7A), "digit": OctetSet(0x30...0x39),
        "alnum": OctetSet(0x30...0x39, 0x41...0x5A, 0x61...0x7A), "upper": OctetSet(0x41...0x5A),
        "lower": OctetSet(0x61...0x7A), "space": OctetSet(0x09...0x0D, 0x20...0x20),
        "blank": OctetSet(0x09...0x09, 0x20...0x20), "xdigit": OctetSet(0x30...0x39, 0x41...0x46, 0x61...0x66),
        "punct": OctetSet(0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E),
        "print": OctetSet(0x20...0x7E), "graph": OctetSet(0x21...0x7E), "cntrl": OctetSet(0x00...0x1F, 0x7F...0x7F),
    ]

    /// Parses a bracket expression, after its `[`.
    private mutating func bracket() throws(Mistake) -> OctetSet {
        let isInverted = take("^")
        var set = OctetSet()
        var isFirst = true
        while true {
            guard let octet = next else { throw mistake("\"]\" is missing") }
            if octet == UInt8(ascii: "]"), !isFirst {
                position += 1
                return isInverted ? set.inverted : set
            }
            isFirst = false
            if octet == UInt8(ascii: "["), position + 1 < text.count, text[position + 1] == UInt8(ascii: ":") {
                set.formUnion(try namedClass())
                continue
            }
            position += 1
            if octet == UInt8(ascii: "\\") {
                set.formUnion(try escape())
                continue
            }
            guard next == UInt8(ascii: "-"), position + 1 < text.count, text[position + 1] != UInt8(ascii: "]") else {
                set.insert(octet)
                continue
            }
            position += 1
            let last = text[position]
            guard last >= octet, last != UInt8(ascii: "["), last != UInt8(ascii: "\\") else {
                throw mistake("a range that ends before it begins")
            }
            position += 1
            set.insert(octet...last)
        }
    }

    /// Parses a named class, at its `[:`.
    private mutating func namedClass() throws(Mistake) -> OctetSet {
        let start = position + 2
        var end = start
        while end < text.count, text[end] != UInt8(ascii: ":") { end += 1 }
        guard end + 1 < text.count, text[end + 1] == UInt8(ascii: "]"),
            let set = Self.named[String(decoding: text[start..<end], as: UTF8.self)]
        else { throw mistake("no such class of characters") }
        position = end + 2
        return set
    }
}
