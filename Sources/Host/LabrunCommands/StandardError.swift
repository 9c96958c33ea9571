import Foundation
import PlainText

/// Writes lines for a person to standard error.
enum StandardError {
    /// Writes the text and a line feed. Control characters are made visible, because the text may repeat names from a
    /// file. If it cannot be written, there is no further place to say so.
    static func write(_ text: String) {
        let line = PlainText.lines(text.hasSuffix("\n") ? text.dropLast() : text[...]) + "\n"
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    }
}
