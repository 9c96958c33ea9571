import Glibc
import LinuxKernel

/// Reads a whole text file. It reads to the end and asks for no size, because files in /proc and /sys have none.
func readTextFile(_ path: String) throws(SystemError) -> String {
    String(decoding: try FileDescriptor.open(path, O_RDONLY).readToEnd(), as: UTF8.self)
}

func writeTextFile(_ path: String, _ text: String) throws(SystemError) {
    try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).writeAll(text.utf8)
}

func trimmed(_ text: some StringProtocol) -> String {
    let tail = text.reversed().drop { $0.isWhitespace || $0 == "\0" }
    return String(String(tail.reversed()).drop { $0.isWhitespace })
}
