import PlainText

/// A mistake in a scenario or lab file (or in a `--set`), with its place.
public struct Problem: Error, Codable, Sendable, Hashable, CustomStringConvertible {
    public enum Severity: String, Codable, Sendable {
        /// The file cannot be run.
        case error
        /// The file can be run, but something in it has no effect.
        case warning
    }
    public var severity: Severity
    /// The file as the user named it, or `--set` for an override of the command line.
    public var file: String
    /// The line, counted from 1.
    public var line: Int
    /// The column in Unicode scalars, counted from 1.
    public var column: Int
    /// What is wrong, in one sentence without a full stop.
    public var message: String
    /// What would be right, for example `a duration such as 200ms, 1.5s or 2m`.
    public var expected: String?
    /// The nearest valid name.
    public var suggestion: String?

    public init(
        severity: Severity = .error, file: String, line: Int, column: Int, message: String, expected: String? = nil,
        suggestion: String? = nil
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.expected = expected
        self.suggestion = suggestion
    }

    /// `scenarios/x.yaml:12:7: unknown key "expct" in step; did you mean "expect"?`
    ///
    /// It is one line without control characters, whatever the file's name, keys and values have in them.
    public var description: String { PlainText.line(sentence, limit: 4_000) }

    private var sentence: String {
        var text = "\(file):\(line):\(column): "
        if severity == .warning { text += "warning: " }
        text += message
        if let suggestion {
            text += "; did you mean \"\(suggestion)\"?"
        } else if let expected, !message.contains(expected) {
            text += "; expected \(expected)"
        }
        return text
    }
}

extension Problem: Comparable {
    public static func < (a: Problem, b: Problem) -> Bool {
        (a.file, a.line, a.column, a.message) < (b.file, b.line, b.column, b.message)
    }
}

/// Every mistake of one file, sorted by place: what loading a scenario throws.
public struct ProblemReport: Error, Sendable, CustomStringConvertible {
    public let problems: [Problem]

    public init(_ problems: [Problem]) {
        self.problems = problems.sorted()
    }

    /// One line a mistake.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
