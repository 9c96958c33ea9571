import Synchronization

/// The numbers by which map entries and events name rules. A number is given once and never to another rule, so that an
/// event that is read late names the rule that decided. Shared with whoever renders events.
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

    /// Nil for 0 and for a number of an agent that ran before.
    func name(of number: UInt32) -> String? { content.withLock { $0.names[number] } }
}
