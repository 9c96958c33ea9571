import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// The descriptors that a lab host finds open, by convention of `LabHostProcess`.
enum LabHostDescriptor {
    static let commands: Int32 = 3
    static let events: Int32 = 4
    static let lifeline: Int32 = 5
    static let report: Int32 = 6
}

/// The lab host's connection to the outer labrun. The descriptors stay open as long as the process lives.
public struct LabHostChannels: Sendable {
    /// Read end: bytes that the outer process sent with `LabHostProcess.send`. Never close it.
    public let commandDescriptor: Int32
    /// Write end: bytes for the outer process's `LabHostProcess.eventLines`. Never close it.
    public let eventDescriptor: Int32
    /// A directory on a tmpfs of this lab alone, which disappears with the lab.
    public let directory: String
    /// Everything after the hidden argument.
    public let arguments: [String]

    /// Writes bytes to the event pipe. It blocks while the pipe is full. Callers must take turns, or their lines would
    /// mix.
    public func emit(_ bytes: [UInt8]) throws(SystemError) {
        try writeBytes(bytes, to: eventDescriptor)
    }

    /// Yields every line of the command pipe, without its line feed. The stream ends when the outer process has closed
    /// the pipe. Call it only once.
    public func commandLines() -> AsyncStream<[UInt8]> {
        lineStream("lab commands", of: commandDescriptor)
    }
}

/// The lab's namespaces, seen from the process that enters them.
public enum LabNamespace {
    /// The hidden first argument that makes labrun a lab host.
    public static let argument = "__lab-host"

    /// The user and group id of the lab host inside its namespaces.
    public static let innerIdentifier: UInt32 = 1000

    /// Enters the namespaces if the command line says so. Returns `nil` in an ordinary labrun.
    ///
    /// Call it first of all in `main`, before anything could start a thread: unshare(2) refuses a user namespace to a
    /// process with threads. One process enters the call and becomes three, of which only the lab host, PID 2 inside,
    /// returns. A failure ends the process with exit code 3, and `LabHostProcess.spawn` throws it in the outer process.
    public static func enterIfAsked(_ commandLine: [String] = CommandLine.arguments) -> LabHostChannels? {
        guard commandLine.count >= 3, commandLine[1] == argument else { return nil }
        let directory = commandLine[2]
        let result = directory.withCString { mountPoint in
            var options = lab_entry_options(
                mount_point: mountPoint, lifeline: LabHostDescriptor.lifeline, report: LabHostDescriptor.report,
                first_unused: UInt32(LabHostDescriptor.report) + 1, inner_id: innerIdentifier)
            return lab_entry_enter(&options)
        }
        guard result == 0 else { exit(3) }
        // These descriptors came through exec. QEMU and other children must not inherit them.
        _ = linux_set_cloexec(LabHostDescriptor.commands, 1)
        _ = linux_set_cloexec(LabHostDescriptor.events, 1)
        return LabHostChannels(
            commandDescriptor: LabHostDescriptor.commands, eventDescriptor: LabHostDescriptor.events,
            directory: directory, arguments: Array(commandLine.dropFirst(3)))
    }

    /// Returns the mount point that all labs of this user share, each with its own tmpfs on it:
    /// `$XDG_RUNTIME_DIR/labrun` or `/tmp/labrun-UID`. Outside of a lab it is empty, so a killed lab leaves nothing
    /// behind. It is created if missing, and refused if it belongs to another user or is a symbolic link.
    public static func prepareMountPoint() throws(SystemError) -> String {
        let path: String
        if let runtime = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), runtime.hasPrefix("/"),
            access(runtime, W_OK) == 0
        {
            path = runtime + "/labrun"
        } else {
            path = "/tmp/labrun-\(geteuid())"
        }
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .last("mkdir", path) }
        var information = stat()
        try check("lstat", path) { lstat(path, &information) }
        guard information.st_mode & S_IFMT == S_IFDIR, information.st_uid == geteuid() else {
            throw SystemError(code: EPERM, call: "not a directory of ours:", subject: path)
        }
        return path
    }
}
