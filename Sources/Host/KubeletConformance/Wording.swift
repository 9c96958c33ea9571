/// Texts of two runs, made comparable: what differs from run to run has a word in its place.
enum Wording {
    /// Longer texts are cut.
    private static let longest = 600

    static func comparable(_ text: String) -> String {
        // Longer patterns come first, so that the id of a sandbox is no run of digits.
        var text = text.replacing(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/, with: "UID")
        text.replace(/\b[0-9a-f]{64}\b/, with: "ID")
        text.replace(/\b[0-9a-f]{32}\b/, with: "UID")
        text.replace(/\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b(?::\d+)?/, with: "ADDRESS")
        text.replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})/, with: "TIME")
        text.replace(/\bin \d[0-9.]*(?:ns|µs|ms|s|m)[0-9.a-zµ]*/, with: "in DURATION")
        text = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return text.count > longest ? text.prefix(longest) + "…" : text
    }
}
