import Glibc

/// The node's serial console: what the lab host keeps when everything else has failed.
enum Console {
    /// Writes one line, at most 2,000 bytes.
    static func say(_ line: String) {
        let bytes = Array("labnode: \(line)".utf8.prefix(2000)) + [10]
        _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }

    /// Ends the node: PID 1 that exits is a kernel panic, which the lab host sees at once on the console.
    static func fatal(_ message: String) -> Never {
        say("fatal: \(message)")
        exit(1)
    }
}
