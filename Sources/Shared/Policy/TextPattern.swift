/// A regular expression that must match the whole text: extended POSIX (IEEE 1003.1, 9.4) without back-references, with
/// `\d`, `\w` and `\s` in addition. The time to match is proportional to text and pattern, whatever they are.
public struct TextPattern: Sendable, Hashable {
    public let source: String
    private let program: [Instruction]

    public static let lengthLimit = 1024
    /// The largest number of instructions that a pattern may become. A repetition counts as often as it repeats.
    static let programLimit = 4096
    static let repetitionLimit = 255
    static let depthLimit = 32

    /// The reason why a text is no pattern.
    public struct Mistake: Error, Sendable, Hashable, CustomStringConvertible {
        public let description: String
    }

    enum Instruction: Sendable, Hashable {
        case octet(OctetSet)
        case split(Int, Int)
        case jump(Int)
        case match
    }

    public init(_ source: String) throws(Mistake) {
        guard source.utf8.count <= Self.lengthLimit else {
            throw Mistake(description: "longer than \(Self.lengthLimit) octets")
        }
        var parser = TextPatternParser(Array(source.utf8))
        let node = try parser.parse()
        var program: [Instruction] = []
        try Self.compile(node, into: &program)
        program.append(.match)
        self.source = source
        self.program = program
    }

    private static func compile(_ node: TextPatternNode, into program: inout [Instruction]) throws(Mistake) {
        guard program.count < programLimit else { throw Mistake(description: "too many repetitions") }
        switch node {
        case .empty: break
        case .octet(let set): program.append(.octet(set))
        case .sequence(let parts): for part in parts { try compile(part, into: &program) }
        case .either(let left, let right):
            let split = program.count
            program.append(.jump(0))
            try compile(left, into: &program)
            let jump = program.count
            program.append(.jump(0))
            program[split] = .split(split + 1, program.count)
            try compile(right, into: &program)
            program[jump] = .jump(program.count)
        case .repeated(let part, let least, let most):
            for _ in 0..<least { try compile(part, into: &program) }
            guard let most else {
                let split = program.count
                program.append(.jump(0))
                try compile(part, into: &program)
                program.append(.jump(split))
                program[split] = .split(split + 1, program.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<max(least, most) {
                splits.append(program.count)
                program.append(.jump(0))
                try compile(part, into: &program)
            }
            for split in splits { program[split] = .split(split + 1, program.count) }
        }
    }

    /// Says whether the pattern matches the whole text.
    public func matches(_ text: some Sequence<UInt8>) -> Bool {
        var current = States(count: program.count)
        var next = States(count: program.count)
        follow(0, into: &current)
        for octet in text {
            if current.octets.isEmpty { return false }
            for index in current.octets {
                if case .octet(let set) = program[index], set.contains(octet) { follow(index + 1, into: &next) }
            }
            swap(&current, &next)
            next.clear()
        }
        return current.isMatch
    }

    public func matches(_ text: String) -> Bool { matches(text.utf8) }

    /// Adds all states that are reached without reading a byte.
    private func follow(_ start: Int, into states: inout States) {
        var pending = [start]
        while let index = pending.popLast() {
            guard states.insert(index) else { continue }
            switch program[index] {
            case .octet: states.octets.append(index)
            case .split(let first, let second):
                pending.append(second)
                pending.append(first)
            case .jump(let target): pending.append(target)
            case .match: states.isMatch = true
            }
        }
    }

    /// The states in which the matcher may be.
    private struct States {
        private var seen: [Bool]
        private var marked: [Int] = []
        /// The states that read a byte next.
        var octets: [Int] = []
        var isMatch = false

        init(count: Int) { seen = Array(repeating: false, count: count) }

        mutating func insert(_ index: Int) -> Bool {
            if seen[index] { return false }
            seen[index] = true
            marked.append(index)
            return true
        }

        mutating func clear() {
            for index in marked { seen[index] = false }
            marked.removeAll(keepingCapacity: true)
            octets.removeAll(keepingCapacity: true)
            isMatch = false
        }
    }

    public static func == (left: TextPattern, right: TextPattern) -> Bool { left.source == right.source }
    public func hash(into hasher: inout Hasher) { hasher.combine(source) }
}

/// A set of bytes.
struct OctetSet: Sendable, Hashable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init() {}

    init(_ ranges: ClosedRange<UInt8>...) { for range in ranges { insert(range) } }

    static let all: OctetSet = OctetSet(0...255)

    func contains(_ octet: UInt8) -> Bool {
        let bit = UInt64(1) << UInt64(octet & 63)
        switch octet >> 6 {
        case 0: return words.0 & bit != 0
        case 1: return words.1 & bit != 0
        case 2: return words.2 & bit != 0
        default: return words.3 & bit != 0
        }
    }

    mutating func insert(_ range: ClosedRange<UInt8>) { for octet in range { insert(octet) } }

    mutating func insert(_ octet: UInt8) {
        let bit = UInt64(1) << UInt64(octet & 63)
        switch octet >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    mutating func formUnion(_ other: OctetSet) {
        words = (
            words.0 | other.words.0, words.1 | other.words.1, words.2 | other.words.2, words.3 | other.words.3
        )
    }

    var inverted: OctetSet {
        var result = OctetSet()
        result.words = (~words.0, ~words.1, ~words.2, ~words.3)
        return result
    }

    static func == (left: OctetSet, right: OctetSet) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}
