/// The valid name that a mistyped one most likely meant.
public enum NearestName {
    /// The candidate with the smallest edit distance, if it is near enough to be meant: at most a third of the length
    /// (at least 1). Ties go to the first candidate. Letter case and `-`/`_` do not count.
    public static func of(_ name: String, among candidates: some Sequence<String>) -> String? {
        let wanted = folded(name)
        guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let other = folded(candidate)
            guard other.count <= 64 else { continue }
            let distance = distance(wanted, other)
            let limit = max(1, max(wanted.count, other.count) / 3)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    private static func folded(_ text: String) -> [Character] {
        text.lowercased().filter { $0 != "-" && $0 != "_" }.map { $0 }
    }

    /// Insertions, deletions, replacements and exchanges of neighbours (Damerau–Levenshtein, restricted).
    static func distance(_ a: [Character], _ b: [Character]) -> Int {
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        var current = last
        for i in 1...a.count {
            current[0] = i
            for j in 1...b.count {
                let replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
                current[j] = min(replaced, last[j] + 1, current[j - 1] + 1)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    current[j] = min(current[j], beforeLast[j - 2] + 1)
                }
            }
            (beforeLast, last) = (last, current)
        }
        return last[b.count]
    }
}

extension [String] {
    /// `one of a, b, c`, for messages; of many names the first twelve.
    package var oneOf: String { "one of " + prefix(12).joined(separator: ", ") + (count > 12 ? ", …" : "") }
}
