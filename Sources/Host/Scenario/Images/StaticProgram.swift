/// Looks at the head of an ELF file: whether it is a program that runs on a node without a loader and libraries.
///
/// See `elf(5)`: the file's header has the machine, and the place of the program headers, one of which names the loader
/// of a program that is linked dynamically.
enum StaticProgram {
    /// The bytes of a file that are looked at. Linkers write program headers right behind the file's header.
    static let headLimit = 64 << 10

    private static let loader: UInt32 = 3
    private static let machine: UInt16 = 62

    /// Why the file with this head is no such program, in words that follow its path; nil if it is one.
    static func mistake(_ head: [UInt8]) -> String? {
        guard head.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { return "is no ELF program" }
        guard head.count >= 64 else { return "is cut off" }
        guard head[4] == 2, head[5] == 1, number(head, 18, 2) == UInt64(machine) else {
            return "is a program for another processor than x86-64"
        }
        // 2 is a program at a fixed address, 3 one that may lie anywhere (and a library).
        guard [2, 3].contains(number(head, 16, 2)) else { return "is an object file, and no program" }
        let offset = number(head, 32, 8)
        let (size, count) = (number(head, 54, 2), number(head, 56, 2))
        guard size >= 56, count > 0, offset <= UInt64(head.count), size * count <= UInt64(head.count) - offset else {
            return "has no program headers at its beginning"
        }
        var hasCode = false
        for index in 0..<Int(count) {
            let header = Int(offset) + index * Int(size)
            let type = number(head, header, 4)
            if type == UInt64(loader) {
                return "is linked dynamically: nodes have neither its loader nor its libraries"
            }
            hasCode = hasCode || type == 1
        }
        return hasCode && number(head, 24, 8) != 0 ? nil : "is a library, and no program"
    }

    /// A number of some bytes, lowest first. The caller has made sure that they are there.
    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64($1 * 8) }
    }
}
