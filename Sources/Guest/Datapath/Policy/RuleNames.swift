import Synchronization

/// The numbers by which map entries and events refer to rules. A number is never given to another rule, so an event
/// that is read late still names the rule that decided. The code that renders events shares this.
final class RuleNames: Sendable {
    private struct Content {
        var numbers: [String: UInt32] = [:]
        var names: [UInt32: String] = [:]
    }

    private let content = Mutex(Content())

    func number(of name: String) -> UInt32 {
        content.withLock { content in
            if let known = content.numbers[name] { return known }
            let number = UInt32(content.numbers.count + 1)
            content.numbers[name] = number
            content.names[number] = name
            return number
        }
    }

    /// Returns nil for 0, and for a number that an earlier agent gave.
    func name(of number: UInt32) -> String? { content.withLock { $0.names[number] } }
}
