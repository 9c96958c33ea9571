import Digest
import Glibc
import LinuxKernel

/// Where the bytes of a new file go. Tests inject one that fails, so that a full disk is tested at every byte.
protocol ByteSink: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Flushes to stable storage and closes. The file of a sink that was not finished must not be used.
    func finish() throws
}

/// A new file with a buffer. `finish` syncs it.
final class FileSink: ByteSink {
    private let path: String
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    private static let capacity = 1 << 20

    init(_ path: String, mode: mode_t = 0o644) throws(ImageError) {
        self.path = path
        do throws(SystemError) {
            descriptor = try check("open", path) { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode) }
        } catch {
            throw .cache(error, "writing \(path)")
        }
        buffer.reserveCapacity(Self.capacity)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        if buffer.count + bytes.count > Self.capacity { try flush() }
        if bytes.count >= Self.capacity { try writeThrough(bytes) } else { buffer.append(contentsOf: bytes) }
    }

    func finish() throws {
        try flush()
        try named { () throws(SystemError) in
            try check("fsync", path) { fsync(descriptor) }
            let closing = descriptor
            descriptor = -1
            try check("close", path) { close(closing) }
        }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try writeThrough($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let written = try named { () throws(SystemError) in
                try check("write", path) { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
    }

    private func named<Value>(_ body: () throws(SystemError) -> Value) throws(ImageError) -> Value {
        do { return try body() } catch { throw .cache(error, "writing \(path)") }
    }
}

extension ByteSink {
    func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }
}

/// Reads a file in pieces of 1 MiB.
enum FileSource {
    /// Returns the file's size, and its SHA-256 in lower-case hexadecimal.
    static func measure(_ path: String) throws -> (bytes: Int, sha256: String) {
        var digest = SHA256Digest()
        var bytes = 0
        try read(path) { piece in
            digest.update(piece)
            bytes += piece.count
        }
        return (bytes, digest.hex())
    }

    static func read(_ path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let descriptor = try check("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
        defer { close(descriptor) }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { piece.deallocate() }
        while true {
            let count = try check("read", path) { Glibc.read(descriptor, piece.baseAddress, piece.count) }
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }
}

/// Passes bytes on to another sink, and hashes and counts them.
final class DigestingSink: ByteSink {
    private let sink: any ByteSink
    private var digest: SHA256Digest? = SHA256Digest()
    private(set) var bytes = 0
    private(set) var sha256 = ""

    init(_ sink: any ByteSink) { self.sink = sink }

    func write(_ data: UnsafeRawBufferPointer) throws {
        try sink.write(data)
        digest?.update(data)
        bytes += data.count
    }

    func finish() throws {
        try sink.finish()
        sha256 = digest.take()?.hex() ?? ""
    }
}
