import CNodeShim
import Glibc
import LinuxKernel

/// How a run of a program ended, and what it wrote.
struct ProgramResult: Sendable {
    let status: ExitStatus
    let output: [UInt8]
    let errorOutput: [UInt8]
}

struct ProgramTimeout: Error, CustomStringConvertible {
    let program: String
    let patience: Duration
    let output: String
    var description: String { "\(program) did not end within \(patience); its last words: \(output.suffix(400))" }
}

extension ChildProcesses {
    /// How many bytes of each output are kept. The rest is read and dropped.
    static let outputLimit = 1 << 20

    /// Runs a program and waits for it; kills its process group at the deadline.
    /// - Throws: `SystemError` when it cannot be started, `ProgramTimeout`.
    func run(
        _ arguments: [String], environment: [String], input: [UInt8] = [], within patience: Duration
    ) throws -> ProgramResult {
        let deadline = Deadline.after(patience)
        let given = FileDescriptor(
            owning: try check("memfd_create") {
                input.withUnsafeBytes { node_memory_file($0.baseAddress, $0.count) }
            })
        let output = try OutputPipe()
        let errors = try OutputPipe()
        let child = try spawn(
            arguments, environment: environment, input: given.rawValue, output: output.writeEnd,
            error: errors.writeEnd)
        output.closeWriteEnd()
        errors.closeWriteEnd()
        while child.exitStatus == nil, !deadline.hasPassed {
            var watched = [child.endDescriptor, output.openReadEnd, errors.openReadEnd].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            poll(&watched, 3, deadline.remainingMilliseconds)
            output.drain()
            errors.drain()
        }
        let status = child.exitStatus
        if status == nil {
            child.killGroup()
            _ = child.waitForEnd(until: .after(.seconds(5)))
        }
        // The outputs are read as far as they are there: descendants may keep them open, and nobody waits for these.
        output.drain()
        errors.drain()
        guard let status else {
            throw ProgramTimeout(
                program: arguments.first ?? "", patience: patience,
                output: String(decoding: errors.bytes + output.bytes, as: UTF8.self))
        }
        return ProgramResult(status: status, output: output.bytes, errorOutput: errors.bytes)
    }
}

/// A pipe whose read end is this process's and does not block.
final class OutputPipe {
    private(set) var writeEnd: Int32
    private let readEnd: Int32
    private var ended = false
    private(set) var bytes: [UInt8] = []

    init() throws(SystemError) {
        let pipe = try Pipe()
        try pipe.readEnd.setNonBlocking()
        readEnd = try pipe.readEnd.duplicate().release()
        writeEnd = try pipe.writeEnd.duplicate().release()
    }

    deinit {
        close(readEnd)
        closeWriteEnd()
    }

    /// The descriptor to give to poll(2): after the end of the output -1, which poll ignores.
    var openReadEnd: Int32 { ended ? -1 : readEnd }

    func closeWriteEnd() {
        if writeEnd >= 0 { close(writeEnd) }
        writeEnd = -1
    }

    /// Reads what is there into `bytes`, up to the limit.
    func drain() {
        readAvailable { chunk in
            bytes += chunk.prefix(max(0, ChildProcesses.outputLimit - bytes.count))
        }
    }

    /// Hands what is there to the body; stops at the end of the file, too.
    func readAvailable(_ body: (ArraySlice<UInt8>) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while !ended {
            let count = read(readEnd, &buffer, buffer.count)
            if count > 0 {
                body(buffer[..<count])
            } else if count == 0 {
                ended = true
            } else if errno != EINTR {
                if errno != EAGAIN { ended = true }
                return
            }
        }
    }
}
