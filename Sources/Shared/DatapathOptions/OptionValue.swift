import NetAddress

/// The form of an option's value, and how its text is read.
public enum OptionType: Sendable, Hashable {
    case flag
    case integer(ClosedRange<Int>)
    case choice([String])
    /// A list of any of these names.
    case choices([String])
    case text
    /// A network such as `10.0.0.0/16`, or an empty text.
    case network
    case networks
    case interfaces

    /// Reads a value as a file or a command line gives it. The items of a list are separated by commas, and may stand
    /// in braces as Helm writes them: `{a,b}`.
    ///
    /// - Returns: Nil when the text is not of this type.
    public func read(_ text: String) -> OptionTree? {
        switch self {
        case .flag: return text == "true" ? .flag(true) : text == "false" ? .flag(false) : nil
        case .integer(let range): return Int(text).flatMap { range.contains($0) ? .number($0) : nil }
        case .choice(let names): return names.contains(text) ? .text(text) : nil
        case .choices(let names): return Self.list(text) { names.contains($0) }
        case .text: return .text(text)
        case .network: return text.isEmpty || IPv4CIDR(network: text) != nil ? .text(text) : nil
        case .networks: return Self.list(text) { IPv4CIDR(network: $0) != nil }
        case .interfaces: return Self.list(text, of: Self.isInterface)
        }
    }

    /// The expected form, in words that follow `must be` in a message.
    public var expected: String {
        switch self {
        case .flag: "true or false"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let names): "one of " + names.joined(separator: ", ")
        case .choices(let names): "a list of " + names.joined(separator: ", ")
        case .text: "a text"
        case .network: "an IPv4 network such as 10.0.0.0/16, without host bits, or \"\""
        case .networks: "a list of IPv4 networks such as 10.0.0.0/16, without host bits"
        case .interfaces: "a list of interfaces such as eth0"
        }
    }

    private static func list(_ text: String, of isItem: (String) -> Bool) -> OptionTree? {
        let inner =
            text.hasPrefix("{") && text.hasSuffix("}") && text.count > 1 ? text.dropFirst().dropLast() : text[...]
        let items = inner.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
        return items.allSatisfy(isItem) ? .list(items) : nil
    }

    /// Whether the text could be an interface's name: IFNAMSIZ is 16 with the final zero (linux/if.h). A trailing `+`,
    /// which stands for any suffix, is among the characters allowed.
    private static func isInterface(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count)
            && text.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }
}
