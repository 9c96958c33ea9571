/// A tar archive (POSIX.1-1988, `ustar`) of directories and small files that belong to root and are dated 1970. Equal
/// entries give equal bytes.
struct TarArchive {
    private static let block = 512
    /// `name` and `size` are fields of fixed width. Longer ones are not written.
    private static let longestName = 99
    private static let largestFile = 0o777_7777_7777

    private(set) var bytes: [UInt8] = []

    mutating func add(directory name: String, mode: Int = 0o755) { add(name + "/", mode: mode, type: "5", []) }

    mutating func add(file name: String, _ text: String, mode: Int = 0o644) {
        add(file: name, Array(text.utf8), mode: mode)
    }

    mutating func add(file name: String, _ content: [UInt8], mode: Int) { add(name, mode: mode, type: "0", content) }

    /// The archive with its end, two empty blocks.
    func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.block) }

    private mutating func add(_ name: String, mode: Int, type: Character, _ content: [UInt8]) {
        guard name.utf8.count <= Self.longestName, content.count <= Self.largestFile else { return }
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        put(name, at: 0)
        put(Self.octal(mode, 7), at: 100)
        put(Self.octal(0, 7), at: 108)
        put(Self.octal(0, 7), at: 116)
        put(Self.octal(content.count, 11), at: 124)
        put(Self.octal(0, 11), at: 136)
        // The checksum is taken with spaces in its own place.
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put(Self.octal(header.reduce(0) { $0 + Int($1) }, 6), at: 148)
        header[154] = 0
        bytes += header + content
        let rest = content.count % Self.block
        if rest > 0 { bytes += [UInt8](repeating: 0, count: Self.block - rest) }
    }

    private static func octal(_ value: Int, _ width: Int) -> String {
        let digits = String(value, radix: 8)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
