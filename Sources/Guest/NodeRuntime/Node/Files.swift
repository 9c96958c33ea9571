import Glibc
import LinuxKernel

/// Reads a whole text file. It reads to the end and asks for no size, because files in /proc and /sys have none.
func readTextFile(_ path: String) throws(SystemError) -> String {
    String(decoding: try FileDescriptor.open(path, O_RDONLY).readToEnd(), as: UTF8.self)
}

func writeTextFile(_ path: String, _ text: String) throws(SystemError) {
    try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).writeAll(text.utf8)
}

/// Makes a directory and those above it, as `mkdir -p`. There is no error: a directory that could not be made shows
/// when it is used.
func makeDirectories(_ path: String) {
    var built = ""
    for component in path.split(separator: "/") {
        built += "/\(component)"
        mkdir(built, 0o755)
    }
}

/// Names in a directory, sorted; empty when there is none.
func directoryEntries(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
}

func trimmed(_ text: some StringProtocol) -> String {
    let tail = text.reversed().drop { $0.isWhitespace || $0 == "\0" }
    return String(String(tail.reversed()).drop { $0.isWhitespace })
}
