import Readings
import RunEvents

/// The signs that are shown on the terminal, each with an ASCII counterpart.
struct Glyphs {
    let unicode: Bool

    var bullet: String { unicode ? "·" : "-" }
    var same: String { unicode ? "·" : "." }
    var ellipsis: String { unicode ? "…" : "..." }

    func letter(_ outcome: Outcome) -> String { outcome == .open && !unicode ? "o" : outcome.letter }

    func mark(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass: unicode ? "✓" : "+"
        case .fail: unicode ? "✗" : "x"
        case .inconclusive: "?"
        case .infraError, .dirtyRollback, .interrupted: "!"
        }
    }

    func mark(_ state: ExpectationResult.State) -> String {
        switch state {
        case .met: mark(Verdict.pass)
        case .unmet: mark(Verdict.fail)
        case .inconclusive: "?"
        case .error: "!"
        case .skipped: "-"
        }
    }

    func mark(_ seen: Bool?) -> String {
        switch seen {
        case .some(true): mark(Verdict.pass)
        case .some(false): mark(Verdict.fail)
        case nil: bullet
        }
    }

    /// Replaces the signs in other modules' text by those of this terminal.
    func plain(_ text: String) -> String {
        guard !unicode else { return text }
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "→": out += "->"
            case "·": out += "-"
            case "…": out += "..."
            case "–", "—": out += "-"
            case "’", "‘": out += "'"
            case "“", "”": out += "\""
            case _ where scalar.value < 0x80: out.unicodeScalars.append(scalar)
            default: out += "?"
            }
        }
        return out
    }
}
