import CLinuxShim
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// A started program whose output comes through a pipe.
///
/// It is a child of the process that started it. In a lab both are in a PID namespace that ends with the lab host, so
/// nothing else makes it end with its starter.
final class SpawnedProgram: Sendable {
    let handle: ProcessHandle
    /// Standard output and standard error, non-blocking.
    let output: FileDescriptor

    private init(handle: consuming ProcessHandle, output: consuming FileDescriptor) {
        self.handle = handle
        self.output = output
    }

    /// Starts a program with an empty signal mask, in a process group of its own, without any other descriptor.
    ///
    /// - Parameters:
    ///   - path: The program, which gets `arguments` after its own name.
    ///   - name: The name that it gets; nil for its path.
    ///   - environment: All of it: nothing is inherited.
    ///   - namespacePath: The network namespace it starts in; nil for that of this process.
    ///   - isSparing: Whether fallocate(2) is refused to it. Needs a network namespace.
    static func start(
        _ path: String, _ arguments: [String], name: String? = nil, environment: [String: String],
        namespacePath: String? = nil, isSparing: Bool = false
    ) throws -> SpawnedProgram {
        let pipe = try Pipe()
        try pipe.readEnd.setNonBlocking()
        let words = [name ?? path] + arguments
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let output = pipe.writeEnd.rawValue
        // The child is in the namespace of the thread that spawns it.
        let identifier: Int32
        if let namespacePath {
            identifier = try NetworkNamespace(path: namespacePath).run {
                // For this thread, which ends after it, and for the program. Without it, it works too.
                if isSparing { _ = linux_refuse_fallocate() }
                return try spawn(path, words, variables, output)
            }
        } else {
            identifier = try spawn(path, words, variables, output)
        }
        return SpawnedProgram(
            handle: try ProcessHandle(processIdentifier: identifier), output: try pipe.readEnd.duplicate())
    }
}

private func spawn(
    _ path: String, _ arguments: [String], _ environment: [String], _ output: Int32
) throws(SystemError) -> Int32 {
    func succeed(_ call: String, _ code: Int32) throws(SystemError) {
        if code != 0 { throw SystemError(code: code, call: call, subject: path) }
    }
    var actions = posix_spawn_file_actions_t()
    try succeed("posix_spawn_file_actions_init", posix_spawn_file_actions_init(&actions))
    defer { posix_spawn_file_actions_destroy(&actions) }
    try succeed("open /dev/null", posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0))
    try succeed("dup2", posix_spawn_file_actions_adddup2(&actions, output, 1))
    try succeed("dup2", posix_spawn_file_actions_adddup2(&actions, output, 2))
    try succeed("closefrom", linux_spawn_close_from(&actions, 3))
    var attributes = posix_spawnattr_t()
    try succeed("posix_spawnattr_init", posix_spawnattr_init(&attributes))
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    try succeed("posix_spawnattr_setsigmask", posix_spawnattr_setsigmask(&attributes, &none))
    try succeed("posix_spawnattr_setsigdefault", posix_spawnattr_setsigdefault(&attributes, &all))
    try succeed("posix_spawnattr_setpgroup", posix_spawnattr_setpgroup(&attributes, 0))
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    try succeed("posix_spawnattr_setflags", posix_spawnattr_setflags(&attributes, Int16(flags)))
    var identifier: pid_t = 0
    var words = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup($0) } + [nil]
    defer { for word in words + variables { free(word) } }
    try succeed("posix_spawn", posix_spawn(&identifier, path, &actions, &attributes, &words, &variables))
    return identifier
}
