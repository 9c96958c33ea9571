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
            let master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)
            guard master >= 0, grantpt(master) == 0, unlockpt(master) == 0 else {
                throw SystemError(code: errno, call: "posix_openpt")
            }
            var name = [CChar](repeating: 0, count: 64)
            guard ptsname_r(master, &name, name.count) == 0 else { throw SystemError(code: errno, call: "ptsname_r") }
            ours = [master, fcntl(master, F_DUPFD_CLOEXEC, 0), -1]
            // The first terminal that a new session opens becomes its own.
            posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
            posix_spawn_file_actions_adddup2(&actions, 0, 1)
            posix_spawn_file_actions_adddup2(&actions, 0, 2)
        } else {
            for number in 0..<3 as Range<Int32> {
                var ends: [Int32] = [0, 0]
                guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemError(code: errno, call: "pipe2") }
                let (reading, writing) = (ends[0], ends[1])
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
        let code = withArguments(arguments) { arguments in
            withArguments(variables) { variables in
                posix_spawnp(&child, arguments[0] ?? strdup(""), &actions, &attributes, arguments, variables)
            }
        }
        guard code == 0 else {
            for descriptor in ours where descriptor >= 0 { close(descriptor) }
            throw SystemError(code: code, call: "posix_spawnp", subject: arguments.first ?? "")
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
    var pointers = texts.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
        // It has the ending nil at least.
        buffer.baseAddress.map(body) ?? { fatalError("no arguments") }()
    }
}
