/// The labels behind an identity, each with its source: `k8s:app=web`, `reserved:world`, `cidr:10.0.0.0/8`.
public struct SecurityLabels: Sendable, Hashable {
    /// A label's name. A selector without a source means any source.
    public struct Key: Sendable, Hashable {
        public let source: String
        public let name: String
        public init(source: String, name: String) {
            self.source = source
            self.name = name
        }
    }

    private let values: [Key: String]

    /// Reads `source:name=value`; a text without a source has the source `unspec`, one without `=` an empty value.
    public init(_ texts: [String]) {
        var values: [Key: String] = [:]
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let key =
                name.count == 2
                ? Key(source: String(name[0]), name: String(name[1])) : Key(source: "unspec", name: text)
            values[key] = parts.count == 2 ? String(parts[1]) : ""
        }
        self.values = values
    }

    public subscript(key: Key) -> String? { values[key] }

    /// Returns the value of a name from any source: the first in the order of the sources.
    func value(ofAnySource name: String) -> String? {
        if let value = values[Key(source: "k8s", name: name)] { return value }
        return values.filter { $0.key.name == name }.min { $0.key.source < $1.key.source }?.value
    }

    public func contains(reserved name: String) -> Bool { values[Key(source: "reserved", name: name)] != nil }
}
