import CNodeShim
import Glibc
import KubeletServer
import KubeletService
import LinuxKernel
import Synchronization

/// The standard streams of a program in a container: two pipes for its output or one terminal, and a pipe or the
/// terminal for its input.
final class ProgramStreams: ProgramInput {
    /// How long a write waits for a program that does not read.
    private static let patience = Duration.seconds(30)

    private struct Ends {
        var input: Int32
        var output: Int32
        var error: Int32
        var hasInput: Bool
    }

    private let ends: Mutex<Ends>
    private let hasTerminal: Bool
    /// What the program gets as its descriptors 0, 1 and 2, to be closed by `started`.
    let given: (input: Int32, output: Int32, error: Int32)

    init(hasInput: Bool, hasTerminal: Bool) throws(SystemError) {
        self.hasTerminal = hasTerminal
        if hasTerminal {
            var slave: Int32 = -1
            let master = try check("openpt", "terminal") { node_open_terminal(&slave) }
            given = (slave, slave, slave)
            ends = Mutex(Ends(input: master, output: master, error: -1, hasInput: hasInput))
            return
        }
        let output = try Pipe()
        let error = try Pipe()
        try output.readEnd.setNonBlocking()
        try error.readEnd.setNonBlocking()
        var (inputRead, inputWrite): (Int32, Int32) = (-1, -1)
        if hasInput {
            let input = try Pipe()
            try input.writeEnd.setNonBlocking()
            inputRead = try input.readEnd.duplicate().release()
            inputWrite = try input.writeEnd.duplicate().release()
        }
        given = (inputRead, try output.writeEnd.duplicate().release(), try error.writeEnd.duplicate().release())
        ends = Mutex(
            Ends(
                input: inputWrite, output: try output.readEnd.duplicate().release(),
                error: try error.readEnd.duplicate().release(), hasInput: hasInput))
    }

    deinit { closeAll() }

    /// Closes the program's ends in this process.
    func started() {
        for descriptor in Set([given.input, given.output, given.error]) where descriptor >= 0 { close(descriptor) }
    }

    func closeAll() {
        let all = ends.withLock { ends in
            defer { ends = Ends(input: -1, output: -1, error: -1, hasInput: false) }
            return Set([ends.input, ends.output, ends.error])
        }
        for descriptor in all where descriptor >= 0 { close(descriptor) }
    }

    // MARK: Input

    func write(_ bytes: ArraySlice<UInt8>) {
        // A descriptor of the writer's own: the program's end may close the other one meanwhile.
        let copy = ends.withLock { ends in
            ends.hasInput && ends.input >= 0 ? fcntl(ends.input, F_DUPFD_CLOEXEC, 3) : -1
        }
        guard copy >= 0 else { return }
        let descriptor = FileDescriptor(owning: copy)
        let deadline = Deadline.after(Self.patience)
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(copy, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                guard (try? waitUntilReady(copy, events: Int16(POLLOUT), until: deadline)) == true else { break }
            } else if errno != EINTR {
                break
            }
        }
        _ = consume descriptor
    }

    func closeInput() {
        // A terminal's end of input is a character of its own.
        if hasTerminal { return write([4]) }
        let input = ends.withLock { ends in
            defer { ends.input = -1 }
            return ends.input
        }
        if input >= 0 { close(input) }
    }

    func resize(columns: UInt16, rows: UInt16) {
        guard hasTerminal else { return }
        ends.withLock { if $0.input >= 0 { _ = node_resize_terminal($0.input, columns, rows) } }
    }

    // MARK: Output

    /// Passes output on until the program has ended and everything that was there then is read. What a descendant
    /// writes later is not waited for.
    func relay(_ child: ChildProcess, _ received: (ContainerLog.Stream, ArraySlice<UInt8>) -> Void) {
        var open: [(Int32, ContainerLog.Stream)] = ends.withLock { ends in
            [(ends.output, .output), (ends.error, .errors)].filter { $0.0 >= 0 }
        }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        var hasEnded = false
        var last: Deadline?
        while true {
            var watched = open.map { pollfd(fd: $0.0, events: Int16(POLLIN), revents: 0) }
            watched.append(pollfd(fd: child.endDescriptor, events: Int16(POLLIN), revents: 0))
            poll(&watched, nfds_t(watched.count), hasEnded ? 0 : -1)
            if child.exitStatus != nil, !hasEnded {
                hasEnded = true
                last = .after(.seconds(1))
            }
            var progress = false
            for (descriptor, source) in open {
                let count = read(descriptor, &buffer, buffer.count)
                if count > 0 {
                    progress = true
                    received(source, buffer[..<count])
                } else if count == 0 || errno != EAGAIN && errno != EINTR {
                    // A terminal without a program answers EIO.
                    open.removeAll { $0.0 == descriptor }
                }
            }
            if hasEnded, !progress || last?.hasPassed == true { return }
        }
    }
}
