/// A DNS name or a pattern of names: `matchName` and `matchPattern` of CiliumNetworkPolicy. Case and a final dot do not
/// matter.
///
/// `*` stands for zero or more of the characters that labels consist of (letters, digits, `-`, `_`), within one label:
/// `*.example.com` matches `a.example.com`, but neither `example.com` nor `a.b.example.com`. A lone `*` matches every
/// name.
public struct NamePattern: Sendable, Hashable, CustomStringConvertible {
    /// The text as written, but in lower case and without a final dot.
    public let text: String
    /// The pattern of each label, or nil if every name matches.
    private let labels: [[UInt8]]?

    public static let lengthLimit = 255

    /// The reason why a text is neither a name nor a pattern.
    public struct Mistake: Error, Sendable, Hashable, CustomStringConvertible {
        public let description: String
    }

    /// - Parameter isPattern: Whether the text may contain `*`.
    public init(_ text: String, isPattern: Bool) throws(Mistake) {
        guard text.utf8.count <= Self.lengthLimit else {
            throw Mistake(description: "longer than \(Self.lengthLimit) octets")
        }
        let name = Self.canonical(text)
        self.text = name
        if isPattern, name == "*" {
            labels = nil
            return
        }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(Array.init)
        guard labels.allSatisfy({ !$0.isEmpty }) else { throw Mistake(description: "an empty label") }
        for label in labels {
            guard label.allSatisfy({ Self.isOfLabel($0) || (isPattern && $0 == Self.star) }) else {
                throw Mistake(
                    description: "letters, digits, \"-\", \"_\"\(isPattern ? ", \"*\"" : "") and dots between them only"
                )
            }
            guard zip(label, label.dropFirst()).allSatisfy({ $0 != Self.star || $1 != Self.star }) else {
                throw Mistake(description: "\"**\" is not supported; \"*\" stands for characters of one label")
            }
        }
        self.labels = labels
    }

    /// - Parameter name: A name in any case, with or without a final dot.
    public func matches(_ name: String) -> Bool {
        guard let labels else { return true }
        let parts = Self.canonical(name).utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == labels.count && zip(labels, parts).allSatisfy { Self.matches($0[...], $1) }
    }

    public var description: String { text }

    /// Returns the name in lower case and without a final dot. The root is the empty text.
    public static func canonical(_ name: String) -> String {
        let text = name.lowercased()
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    private static let star = UInt8(ascii: "*")

    private static func isOfLabel(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Matches one label. It goes back to the last `*` only, so the time is proportional to pattern times label, both
    /// of which have at most 63 bytes in a DNS name.
    private static func matches(_ pattern: ArraySlice<UInt8>, _ label: Substring.UTF8View) -> Bool {
        var (at, place) = (pattern.startIndex, label.startIndex)
        var resume: (pattern: Int, label: Substring.UTF8View.Index)?
        while place < label.endIndex {
            if at < pattern.endIndex, pattern[at] == star {
                at += 1
                resume = (at, place)
            } else if at < pattern.endIndex, pattern[at] == label[place] {
                at += 1
                place = label.index(after: place)
            } else if let last = resume, isOfLabel(label[last.label]) {
                // One more byte is taken by the last `*`.
                at = last.pattern
                place = label.index(after: last.label)
                resume = (at, place)
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == star }
    }
}
