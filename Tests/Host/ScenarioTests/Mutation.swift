import ScenarioReading

@testable import Scenario

/// SplitMix64. The same seed gives the same mutations.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

enum Mutation {
    /// Changes, removes, doubles or moves some bytes.
    static func bytes(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            let end = min(bytes.count, index + Int.random(in: 1...40, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.removeSubrange(index..<end)
            case 2: bytes.insert(contentsOf: bytes[index..<end], at: index)
            case 3:
                bytes.insert(contentsOf: Array("[{&*!|>'\"%@`:-?,]}\n\t #".utf8).shuffled(using: &random), at: index)
            case 4: bytes.removeSubrange(index...)
            default: bytes.swapAt(index, Int.random(in: bytes.indices, using: &random))
            }
        }
        return bytes
    }

    /// Changes one place of the tree. The text is in flow style, so that it expresses exactly the tree.
    static func tree(_ value: YAMLValue, _ random: inout SeededGenerator) -> YAMLValue {
        var target = Int.random(in: 0..<size(value), using: &random)
        return change(value, &target, &random)
    }

    private static func size(_ value: YAMLValue) -> Int {
        1 + value.entries.reduce(0) { $0 + size($1.value) } + value.items.reduce(0) { $0 + size($1) }
    }

    private static func change(
        _ value: YAMLValue, _ target: inout Int, _ random: inout SeededGenerator
    ) -> YAMLValue {
        if target == 0 {
            target = -1
            return changed(value, &random)
        }
        target -= 1
        if target < 0 { return value }
        switch value.content {
        case .scalar: return value
        case .list(let items):
            var result: [YAMLValue] = []
            for item in items { result.append(target < 0 ? item : change(item, &target, &random)) }
            return YAMLValue(content: .list(result), place: value.place)
        case .map(let entries):
            var result: [YAMLValue.Entry] = []
            for entry in entries {
                let value = target < 0 ? entry.value : change(entry.value, &target, &random)
                result.append(.init(key: entry.key, keyPlace: entry.keyPlace, value: value))
            }
            return YAMLValue(content: .map(result), place: value.place)
        }
    }

    private static func changed(_ value: YAMLValue, _ random: inout SeededGenerator) -> YAMLValue {
        func scalar(_ text: String, plain: Bool = true) -> YAMLValue {
            YAMLValue(content: .scalar(text, plain: plain), place: value.place)
        }
        let others = [
            scalar("7"), scalar("true"), scalar("~"), scalar("zzz"), scalar("", plain: false), scalar("-1"),
            scalar("1.5"), scalar("7", plain: false), YAMLValue(content: .list([]), place: value.place),
            YAMLValue(content: .map([]), place: value.place), YAMLValue(content: .list([value]), place: value.place),
        ]
        guard case .map(var entries) = value.content, !entries.isEmpty, Bool.random(using: &random) else {
            return others.randomElement(using: &random) ?? value
        }
        let index = Int.random(in: entries.indices, using: &random)
        let entry = entries[index]
        switch Int.random(in: 0..<3, using: &random) {
        case 0: entries.remove(at: index)
        case 1: entries[index] = .init(key: entry.key + "x", keyPlace: entry.keyPlace, value: entry.value)
        default: entries.append(.init(key: "surplus", keyPlace: entry.keyPlace, value: entry.value))
        }
        return YAMLValue(content: .map(entries), place: value.place)
    }

    static func text(_ value: YAMLValue) -> String {
        switch value.content {
        case .list(let items): "[" + items.map(text).joined(separator: ", ") + "]"
        case .map(let entries):
            "{" + entries.map { JSONText.string($0.key).text() + ": " + text($0.value) }.joined(separator: ", ") + "}"
        case .scalar(let text, _) where value.scalarKind == .text: JSONText.string(text).text()
        case .scalar(let text, _): text.isEmpty ? "~" : text
        }
    }
}
