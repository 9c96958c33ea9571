/// The lines at the bottom of a terminal that are redrawn in place, below those that stay.
///
/// Every change is one write: move up to the region's first line, erase to the end of the screen, print what stays,
/// print what is live. The write is wrapped in a synchronized update (`CSI ? 2026`), which terminals ignore if they do
/// not know it. The cursor is never hidden and always stands at the start of the line below, so that nothing needs
/// mending after a kill.
struct LiveRegion {
    private var drawn: [Int] = []
    private var shown: [String] = []

    /// Returns the text to write so that `permanent` stays and `live` stands below it. It is nil if nothing changed.
    ///
    /// - Parameter measure: Gives the columns of a line without its attributes.
    mutating func draw(
        permanent: [String], live: [String], columns: Int, measure: (String) -> Int
    ) -> String? {
        if permanent.isEmpty, live == shown { return nil }
        // If the window was made narrower, the drawn lines have been wrapped.
        let rows = drawn.reduce(0) { $0 + max(1, ($1 + columns - 1) / max(columns, 1)) }
        var out = "\u{1B}[?2026h"
        if rows > 0 { out += "\u{1B}[\(rows)A\r\u{1B}[J" }
        for line in permanent + live { out += line + "\n" }
        drawn = live.map(measure)
        shown = live
        return out + "\u{1B}[?2026l"
    }
}
