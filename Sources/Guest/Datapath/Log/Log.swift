import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Writes progress and problems to standard error, one line each: `time=… level=info msg="…" key=value`.
///
/// The time is seconds since the node booted, as in the kernel's own log, so that both can be compared.
public enum Log {
    public static func info(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write("info", message, fields)
    }

    public static func warning(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write("warning", message, fields)
    }

    public static func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        write("error", message, fields)
    }

    private static func write(_ level: String, _ message: String, _ fields: KeyValuePairs<String, String>) {
        var line = line(
            nanoseconds: UInt64(MonotonicTime.now.nanoseconds), level: level, message: message, fields: fields)
        // Each line is written in one call, because several threads write, and a pipe keeps up to 4096 bytes together
        // (pipe(7)).
        line.withUTF8 { _ = Glibc.write(2, $0.baseAddress, $0.count) }
    }

    static func line(
        nanoseconds: UInt64, level: String, message: String, fields: KeyValuePairs<String, String>
    ) -> String {
        let micros = nanoseconds / 1000
        let fraction = String(micros % 1_000_000)
        let zeros = String(repeating: "0", count: 6 - fraction.utf8.count)
        var line = "time=\(micros / 1_000_000).\(zeros)\(fraction) level=\(level) msg=\(quoted(message, always: true))"
        for (key, value) in fields { line += " \(key)=\(quoted(value, always: false))" }
        return line + "\n"
    }

    private static func quoted(_ text: String, always: Bool) -> String {
        let plain =
            !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" && $0 != "\\" }
        if plain && !always { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    quoted += "?"
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}
