/// What an option's value must look like, and how its text is read.
public enum OptionType: Sendable, Hashable {
    case flag
    case integer(ClosedRange<Int>)
    case choice([String])
    /// Any of these.
    case choices([String])
    case text
    /// A network such as `10.0.0.0/16`, or nothing.
    case network
    case networks
    case interfaces

    /// Reads a value as a file or a command line gives it: lists with commas, Helm's `{a,b}` too.
    /// - Returns: nil when it is not of this type.
    public func read(_ text: String) -> OptionTree? {
        switch self {
        case .flag: return text == "true" ? .flag(true) : text == "false" ? .flag(false) : nil
        case .integer(let range): return Int(text).flatMap { range.contains($0) ? .number($0) : nil }
        case .choice(let names): return names.contains(text) ? .text(text) : nil
        case .choices(let names): return Self.list(text) { names.contains($0) }
        case .text: return .text(text)
        case .network: return text.isEmpty || Self.isNetwork(text) ? .text(text) : nil
        case .networks: return Self.list(text, of: Self.isNetwork)
        case .interfaces: return Self.list(text, of: Self.isInterface)
        }
    }

    /// For messages: `must be …`.
    public var expected: String {
        switch self {
        case .flag: "true or false"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let names): "one of " + names.joined(separator: ", ")
        case .choices(let names): "a list of " + names.joined(separator: ", ")
        case .text: "a text"
        case .network: "an IPv4 network such as 10.0.0.0/16, or \"\""
        case .networks: "a list of IPv4 networks such as 10.0.0.0/16"
        case .interfaces: "a list of interfaces such as eth0"
        }
    }

    private static func list(_ text: String, of isItem: (String) -> Bool) -> OptionTree? {
        let inner =
            text.hasPrefix("{") && text.hasSuffix("}") && text.count > 1 ? text.dropFirst().dropLast() : text[...]
        let items = inner.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
        return items.allSatisfy(isItem) ? .list(items) : nil
    }

    /// Four octets and a prefix length.
    private static func isNetwork(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let length = number(parts[1]), length <= 32 else { return false }
        let octets = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets.allSatisfy { (number($0) ?? 256) <= 255 }
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 3, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    /// IFNAMSIZ is 16 with the final zero (linux/if.h); a trailing `+` stands for any suffix.
    private static func isInterface(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count)
            && text.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }
}
