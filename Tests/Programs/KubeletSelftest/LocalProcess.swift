import Glibc
import LinuxKernel

/// A program of this machine as a child, with pipes or a terminal of its own.
struct LocalProcess {
    let identifier: pid_t
    /// Where its standard input is written to and its outputs are read; with a terminal, two descriptors of the same.
    let input: Int32
    let output: Int32
    /// -1 with a terminal.
    let errors: Int32

    /// Unlocks a terminal's other end, and tells its number (asm-generic/ioctls.h).
    private static let (TIOCSPTLCK, TIOCGPTN): (UInt, UInt) = (0x4004_5431, 0x8004_5430)

    /// - Throws: `SystemError`; ENOENT for a program that is not there.
    init(_ arguments: [String], environment: [String: String] = [:], terminal: Bool = false) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // SwiftNIO ignores SIGPIPE, and a child would inherit that.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF) | (terminal ? 0x80 : 0))  // 0x80: SETSID
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var ours: [Int32] = []
        var theirs: [Int32] = []
        defer { for descriptor in theirs { close(descriptor) } }
        if terminal {
            let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
            var number: CUnsignedInt = 0
            var locked: CInt = 0
            guard master >= 0, ioctl(master, Self.TIOCSPTLCK, &locked) == 0, ioctl(master, Self.TIOCGPTN, &number) == 0
            else { throw SystemError.last("open", "/dev/ptmx") }
            let name = "/dev/pts/\(number)"
            ours = [master, fcntl(master, F_DUPFD_CLOEXEC, 0), -1]
            // The first terminal that a new session opens becomes its own.
            posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
            posix_spawn_file_actions_adddup2(&actions, 0, 1)
            posix_spawn_file_actions_adddup2(&actions, 0, 2)
        } else {
            for number in 0..<3 as Range<Int32> {
                let pipe = try Pipe()
                let reading = try pipe.readEnd.duplicate().release()
                let writing = try pipe.writeEnd.duplicate().release()
                ours.append(number == 0 ? writing : reading)
                theirs.append(number == 0 ? reading : writing)
                posix_spawn_file_actions_adddup2(&actions, theirs[Int(number)], number)
            }
        }
        var inherited: [String] = []
        var place = environ
        while let text = place.pointee {
            inherited.append(String(cString: text))
            place += 1
        }
        let variables = inherited + environment.map { "\($0.key)=\($0.value)" }
        var child: pid_t = 0
        let program = arguments.first ?? ""
        let code = withArguments(arguments) { arguments in
            withArguments(variables) { variables in
                posix_spawnp(&child, program, &actions, &attributes, arguments, variables)
            }
        }
        guard code == 0 else {
            for descriptor in ours where descriptor >= 0 { close(descriptor) }
            throw SystemError(code: code, call: "posix_spawnp", subject: program)
        }
        (identifier, input, output, errors) = (child, ours[0], ours[1], ours[2])
    }

    /// Waits for its end, on a thread of its own.
    ///
    /// - Returns: The exit status, or 128 and the signal's number.
    func end() async -> Int32 {
        await withCheckedContinuation { continuation in
            let box = Box(continuation: continuation, identifier: identifier)
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
                    var status: Int32 = 0
                    while waitpid(box.identifier, &status, 0) < 0, errno == EINTR {}
                    let signal = status & 0x7f
                    box.continuation.resume(returning: signal == 0 ? status >> 8 & 0xff : 128 + signal)
                    return nil
                }, Unmanaged.passRetained(box).toOpaque())
            pthread_detach(thread)
        }
    }

    private final class Box {
        let continuation: CheckedContinuation<Int32, Never>
        let identifier: pid_t

        init(continuation: CheckedContinuation<Int32, Never>, identifier: pid_t) {
            self.continuation = continuation
            self.identifier = identifier
        }
    }
}

private func withArguments<Result>(
    _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: texts.count + 1)
    for (index, text) in texts.enumerated() { pointers[index] = strdup(text) }
    pointers[texts.count] = nil
    defer {
        for index in texts.indices { free(pointers[index]) }
        pointers.deallocate()
    }
    return body(pointers)
}
