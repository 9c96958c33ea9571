import Glibc
import LinuxKernel

/// The last packets of a tap on disk: `NAME.pcapng` is being written, `NAME.previous.pcapng` came before it.
///
/// Each is a complete pcapng file and at most half the ring's size. Whole blocks go out in one write(2) and need
/// nothing at the end, so what a killed process leaves is readable.
struct CaptureRing: ~Copyable {
    private let path: String
    private let previousPath: String
    private let segmentSize: Int
    private let preamble: [UInt8]
    private var file: FileDescriptor
    private var written: Int

    init(directory: String, name: String, description: String, spec: CaptureSpec) throws(SystemError) {
        path = "\(directory)/\(name).pcapng"
        previousPath = "\(directory)/\(name).previous.pcapng"
        segmentSize = max(spec.ringSize / 2, 4096)
        preamble = PcapNG.preamble(interface: name, description: description, snapLength: spec.snapLength)
        file = try newSegment(path, preamble)
        written = preamble.count
    }

    /// Appends whole packet blocks.
    mutating func append(_ blocks: [UInt8]) throws(SystemError) {
        if written + blocks.count > segmentSize, written > preamble.count {
            try check("rename", path) { rename(path, previousPath) }
            file = try newSegment(path, preamble)
            written = preamble.count
        }
        try file.writeAll(blocks)
        written += blocks.count
    }
}

private func newSegment(_ path: String, _ preamble: [UInt8]) throws(SystemError) -> FileDescriptor {
    let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode: 0o644)
    try file.writeAll(preamble)
    return file
}
