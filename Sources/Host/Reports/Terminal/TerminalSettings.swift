import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// What the terminal or pipe that text goes to can show.
public struct TerminalSettings: Sendable {
    /// Whether lines are redrawn in place. It is false in a pipe.
    public var live: Bool
    public var colour: Bool
    /// Whether signs outside of ASCII are shown.
    public var unicode: Bool
    /// Whether debug and info messages of the lab are shown, too.
    public var verbose: Bool
    /// The number of columns. It is asked for at every drawing, since windows are resized.
    public var columns: @Sendable () -> Int

    public init(
        live: Bool, colour: Bool, unicode: Bool, verbose: Bool = false, columns: @escaping @Sendable () -> Int
    ) {
        self.live = live
        self.colour = colour
        self.unicode = unicode
        self.verbose = verbose
        self.columns = columns
    }

    /// Reads the descriptor and the environment: `NO_COLOR` (no-color.org), `TERM`, `COLUMNS`, `LC_ALL`, `LC_CTYPE`,
    /// `LANG`.
    public static func detect(
        descriptor: Int32 = 1, noColour: Bool = false, verbose: Bool = false,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> TerminalSettings {
        let terminal = isatty(descriptor) == 1 && environment["TERM"] != "dumb"
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let utf8 = locale.uppercased().replacingOccurrences(of: "-", with: "").contains("UTF8")
        let fixed = environment["COLUMNS"].flatMap { Int($0) }
        return TerminalSettings(
            live: terminal, colour: terminal && !noColour && (environment["NO_COLOR"] ?? "").isEmpty,
            // The end of a pipe is a CI log, which is UTF-8 whatever the locale of the build container is.
            unicode: utf8 || (!terminal && locale.isEmpty), verbose: verbose,
            columns: {
                var size = winsize()
                if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
                return fixed.flatMap { $0 > 0 ? $0 : nil } ?? 100
            })
    }
}

/// Text attributes, or nothing where colour is not wanted. A glyph or a word always says what the colour says.
struct Paint {
    let enabled: Bool

    func bold(_ text: String) -> String { wrap("1", text) }
    func dim(_ text: String) -> String { wrap("2", text) }
    func red(_ text: String) -> String { wrap("31", text) }
    func green(_ text: String) -> String { wrap("32", text) }
    func yellow(_ text: String) -> String { wrap("33", text) }

    private func wrap(_ code: String, _ text: String) -> String {
        enabled && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
