/// Reads the text of a `JSONPath`. It works on Unicode scalars, and columns count them from 1.
struct JSONPathParser {
    private let scalars: [Unicode.Scalar]
    private let text: String
    private var place = 0
    /// How many filters the place is inside of.
    private var depth = 0
    private static let deepest = 4

    init(_ text: String) {
        self.text = text
        // One more than allowed shows that there are more.
        scalars = Array(text.unicodeScalars.prefix(JSONPath.longestText + 1))
    }

    /// The whole text.
    mutating func path() throws(JSONPath.Mistake) -> [JSONPath.Step] {
        guard scalars.count <= JSONPath.longestText else {
            throw JSONPath.Mistake(
                column: JSONPath.longestText + 1, message: "the path has more than \(JSONPath.longestText) characters")
        }
        skipSpace()
        let isBraced = take("{")
        skipSpace()
        // kubectl takes `status.phase` for the whole document with text beside it, and a reader would wonder.
        if peek != "$", peek != ".", peek != "[" { throw mistake("a path begins with \".\", \"[\" or \"$\"") }
        _ = take("$")
        let steps = try self.steps()
        skipSpace()
        if isBraced {
            guard take("}") else { throw mistake(peek == nil ? "\"}\" is missing" : unexpected) }
            skipSpace()
        }
        guard peek == nil else { throw mistake(isBraced ? "nothing may follow \"}\"" : unexpected) }
        if steps.isEmpty { throw JSONPath.Mistake(column: 1, message: "the path selects nothing but the whole object") }
        return steps
    }

    private mutating func steps() throws(JSONPath.Mistake) -> [JSONPath.Step] {
        var steps: [JSONPath.Step] = []
        while true {
            if steps.count > JSONPath.mostSteps { throw mistake("the path has more than \(JSONPath.mostSteps) steps") }
            if take(".") {
                if take(".") {
                    steps.append(take("*") ? .anywhere(nil) : .anywhere(try name()))
                } else if take("*") {
                    steps.append(.every)
                } else if peek == "[" {
                    continue
                } else {
                    steps.append(.member(try name()))
                }
            } else if take("[") {
                steps.append(try bracket())
            } else {
                return steps
            }
        }
    }

    /// A name after a dot; a backslash takes the next character as it is.
    private mutating func name() throws(JSONPath.Mistake) -> String {
        var name = String.UnicodeScalarView()
        while let scalar = peek {
            if scalar == "\\" {
                place += 1
                guard let next = peek else { throw mistake("a character is missing after \"\\\"") }
                name.append(next)
            } else if Self.isNameScalar(scalar) {
                name.append(scalar)
            } else {
                break
            }
            place += 1
        }
        if name.isEmpty { throw mistake(peek == nil ? "a field's name is missing" : unexpected) }
        return String(name)
    }

    private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-", "/": true
        default: scalar.value > 127
        }
    }

    /// What follows `[`, up to `]`.
    private mutating func bracket() throws(JSONPath.Mistake) -> JSONPath.Step {
        skipSpace()
        let step: JSONPath.Step
        if take("*") {
            step = .every
        } else if peek == "'" || peek == "\"" {
            step = .member(try quoted())
        } else if take("?") {
            step = .filter(try filter())
        } else {
            step = .element(try index())
        }
        skipSpace()
        guard take("]") else { throw mistake(peek == nil ? "\"]\" is missing" : unexpected) }
        return step
    }

    private mutating func index() throws(JSONPath.Mistake) -> Int {
        let start = place
        _ = take("-")
        while let scalar = peek, ("0"..."9").contains(scalar) { place += 1 }
        guard let number = Int(string(from: start)) else {
            if peek == ":" || peek == "," { throw mistake("ranges and unions are not supported") }
            place = start
            throw mistake("an index, \"*\", a name in quotes or \"?(…)\" is missing")
        }
        if peek == ":" || peek == "," { throw mistake("ranges and unions are not supported") }
        return number
    }

    private mutating func filter() throws(JSONPath.Mistake) -> JSONPathFilter {
        guard depth < Self.deepest else { throw mistake("filters are nested too deeply") }
        depth += 1
        defer { depth -= 1 }
        guard take("(") else { throw mistake("\"(\" is missing after \"?\"") }
        skipSpace()
        guard take("@") else { throw mistake("a filter's left side begins with \"@\"") }
        let start = place
        let steps = try self.steps()
        let path = JSONPath(text: string(from: start), steps: steps)
        skipSpace()
        var comparison: (JSONPathFilter.Comparison, JSONConstant)?
        if peek != ")" {
            guard let found = JSONPathFilter.Comparison.allCases.first(where: { take($0.rawValue) }) else {
                throw mistake(
                    peek == nil
                        ? "\")\" is missing"
                        : "a comparison is missing: "
                            + JSONPathFilter.Comparison.allCases.map(\.rawValue).joined(separator: " "))
            }
            skipSpace()
            comparison = (found, try constant())
            skipSpace()
        }
        guard take(")") else { throw mistake(peek == nil ? "\")\" is missing" : unexpected) }
        return JSONPathFilter(path: path, comparison: comparison)
    }

    private mutating func constant() throws(JSONPath.Mistake) -> JSONConstant {
        if peek == "'" || peek == "\"" { return .string(try quoted()) }
        let start = place
        while let scalar = peek, scalar != ")", scalar != "]", !Self.isSpace(scalar) { place += 1 }
        let word = string(from: start)
        if word == "true" || word == "false" { return .bool(word == "true") }
        if let number = Double(word), number.isFinite { return .number(number) }
        place = start
        throw mistake("the right side of a comparison is a text in quotes, a number, true or false")
    }

    private mutating func quoted() throws(JSONPath.Mistake) -> String {
        let start = place
        guard let quote = peek else { throw mistake("a text in quotes is missing") }
        place += 1
        var text = String.UnicodeScalarView()
        while let scalar = peek {
            place += 1
            if scalar == quote { return String(text) }
            if scalar == "\\", let next = peek {
                text.append(next)
                place += 1
            } else {
                text.append(scalar)
            }
        }
        place = start
        throw mistake("the quote has no end")
    }

    // MARK: Scalars

    private var peek: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private mutating func take(_ word: String) -> Bool {
        let wanted = Array(word.unicodeScalars)
        guard scalars[place...].starts(with: wanted) else { return false }
        place += wanted.count
        return true
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }

    private mutating func skipSpace() { while let scalar = peek, Self.isSpace(scalar) { place += 1 } }

    private func string(from start: Int) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[start..<place])
        return String(text)
    }

    private var unexpected: String { peek.map { "\"\($0)\" is not expected here" } ?? "the path ends too early" }

    private func mistake(_ message: String) -> JSONPath.Mistake {
        JSONPath.Mistake(column: place + 1, message: message)
    }
}
