/// Writes a `newc` cpio archive (Linux `Documentation/driver-api/early-userspace/buffer-format.rst`).
///
/// The output is deterministic: entries are in the order given, modification times are 0, the owner is 0:0, and inode
/// numbers count up.
struct CPIOArchive {
    enum Content {
        case directory(mode: UInt32 = 0o755)
        case bytes([UInt8], mode: UInt32 = 0o644)
        /// A file on the host whose size is known; `copy` must deliver exactly that many bytes.
        case file(bytes: Int, mode: UInt32, copy: (_ sink: any ByteSink) throws -> Void)
        case symbolicLink(to: String)
        case characterDevice(major: UInt32, minor: UInt32, mode: UInt32)
    }

    private let sink: any ByteSink
    private var inode: UInt32 = 0
    private(set) var bytes = 0

    init(to sink: any ByteSink) { self.sink = sink }

    /// Adds an entry. Its `path` has no leading slash, and its parents were added before.
    mutating func add(_ path: String, _ content: Content) throws {
        inode += 1
        switch content {
        case .directory(let mode):
            try header(path, mode: 0o040000 | mode, links: 2, size: 0)
        case .bytes(let data, let mode):
            try header(path, mode: 0o100000 | mode, size: data.count)
            try data.withUnsafeBytes { try put($0) }
            try pad(to: 4)
        case .file(let size, let mode, let copy):
            try header(path, mode: 0o100000 | mode, size: size)
            let counting = CountingSink(sink)
            try copy(counting)
            bytes += counting.bytes
            guard counting.bytes == size else {
                throw ImageError(
                    .cacheUnusable, "\(path) changed while it was copied (\(counting.bytes) bytes, not \(size))",
                    mend: "run it again")
            }
            try pad(to: 4)
        case .symbolicLink(let target):
            try header(path, mode: 0o120777, size: target.utf8.count)
            try put(target)
            try pad(to: 4)
        case .characterDevice(let major, let minor, let mode):
            try header(path, mode: 0o020000 | mode, size: 0, device: (major, minor))
        }
    }

    /// Ends the archive and pads it to a block of 512 bytes. The sink's owner finishes the sink.
    mutating func finish() throws {
        inode = 0
        try header("TRAILER!!!", mode: 0, size: 0)
        try pad(to: 512)
    }

    private mutating func header(
        _ path: String, mode: UInt32, links: UInt32 = 1, size: Int, device: (UInt32, UInt32) = (0, 0)
    ) throws {
        guard let size = UInt32(exactly: size) else {
            throw ImageError(.cacheUnusable, "\(path) is larger than a cpio archive can hold")
        }
        let fields = [
            inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, UInt32(path.utf8.count + 1), 0,
        ]
        try put("070701" + fields.map(Self.hexadecimal).joined() + path + "\0")
        try pad(to: 4)
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    private mutating func put(_ text: String) throws {
        try Array(text.utf8).withUnsafeBytes { try put($0) }
    }

    private mutating func put(_ data: UnsafeRawBufferPointer) throws {
        try sink.write(data)
        bytes += data.count
    }

    private mutating func pad(to multiple: Int) throws {
        let missing = (multiple - bytes % multiple) % multiple
        try put(String(repeating: "\0", count: missing))
    }
}

/// Passes bytes on and counts them.
private final class CountingSink: ByteSink {
    private let sink: any ByteSink
    private(set) var bytes = 0

    init(_ sink: any ByteSink) { self.sink = sink }

    func write(_ data: UnsafeRawBufferPointer) throws {
        try sink.write(data)
        bytes += data.count
    }

    func finish() throws {}
}
