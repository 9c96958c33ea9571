import Foundation

/// The compressed kernel inside a bzImage (Linux `Documentation/arch/x86/boot.rst`, protocol 2.08 and later).
struct BzImage {
    enum Compression: String {
        case gzip = "gz"
        case xz
        case lz4
        case zstd = "zst"

        /// Returns the command that decompresses the file `from` into `to`.
        func command(from: String, to: String) -> (tool: String, arguments: [String]) {
            switch self {
            case .gzip: ("gzip", ["-d", "-f", from])
            case .xz: ("xz", ["-d", "-f", from])
            case .lz4: ("lz4", ["-d", "-q", "-f", from, to])
            case .zstd: ("zstd", ["-d", "-q", "-f", from, "-o", to])
            }
        }
    }

    let compression: Compression
    let payload: Data

    /// The result is nil unless the image is a bzImage with a payload in a known compression.
    init?(_ image: Data) {
        guard image.count > 0x250, image.bytes(at: 0x202, 4) == Array("HdrS".utf8) else { return nil }
        // The header gives the payload's offset and length. The payload's last four bytes are its uncompressed size.
        let setupSectors = Int(image[image.startIndex + 0x1f1])
        let start = ((setupSectors == 0 ? 4 : setupSectors) + 1) * 512 + Int(image.littleEndian32(at: 0x248))
        let length = Int(image.littleEndian32(at: 0x24c)) - 4
        guard length > 8, start + length <= image.count else { return nil }
        payload = image[(image.startIndex + start)..<(image.startIndex + start + length)]
        switch image.bytes(at: start, 4) {
        case [0x02, 0x21, 0x4c, 0x18]: compression = .lz4
        case [0x28, 0xb5, 0x2f, 0xfd]: compression = .zstd
        case [0xfd, 0x37, 0x7a, 0x58]: compression = .xz
        case let magic where magic.prefix(2) == [0x1f, 0x8b]: compression = .gzip
        default: return nil
        }
    }

    /// Whether QEMU can enter an ELF kernel directly. Such a kernel carries the note `Xen` of type 18,
    /// `XEN_ELFNOTE_PHYS32_ENTRY`, which the PVH boot protocol asks for.
    static func hasPVHEntry(_ kernel: Data) -> Bool {
        guard kernel.count > 64, kernel.bytes(at: 0, 5) == [0x7f, 0x45, 0x4c, 0x46, 2] else { return false }
        let table = Int(truncatingIfNeeded: kernel.littleEndian64(at: 32))
        guard table >= 0, table < kernel.count else { return false }
        let entries = Int(kernel.littleEndian32(at: 56) & 0xffff)
        for index in 0..<entries {
            let header = table + index * 56
            guard header + 56 <= kernel.count else { return false }
            guard kernel.littleEndian32(at: header) == 4 else { continue }  // PT_NOTE
            let offset = Int(truncatingIfNeeded: kernel.littleEndian64(at: header + 8))
            let size = Int(truncatingIfNeeded: kernel.littleEndian64(at: header + 32))
            if notes(of: kernel, from: offset, size: size, contain: 18) { return true }
        }
        return false
    }

    private static func notes(of kernel: Data, from offset: Int, size: Int, contain type: UInt32) -> Bool {
        guard offset >= 0, size >= 0, offset <= kernel.count, size <= kernel.count - offset else { return false }
        var at = offset
        while at + 16 <= offset + size {
            let nameSize = Int(kernel.littleEndian32(at: at))
            let dataSize = Int(kernel.littleEndian32(at: at + 4))
            if kernel.littleEndian32(at: at + 8) == type, nameSize == 4,
                kernel.bytes(at: at + 12, 4) == Array("Xen\0".utf8)
            {
                return true
            }
            at += 12 + (nameSize + 3) & ~3 + (dataSize + 3) & ~3
        }
        return false
    }
}

extension Data {
    fileprivate func bytes(at offset: Int, _ count: Int) -> [UInt8] {
        guard offset >= 0, offset + count <= self.count else { return [] }
        return Array(self[(startIndex + offset)..<(startIndex + offset + count)])
    }

    fileprivate func littleEndian32(at offset: Int) -> UInt32 {
        bytes(at: offset, 4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    fileprivate func littleEndian64(at offset: Int) -> UInt64 {
        bytes(at: offset, 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
