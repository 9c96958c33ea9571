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

/// What a lab host talks to the outer labrun with. The descriptors stay open as long as the process lives.
public struct LabHostChannels: Sendable {
    /// Read end: bytes that the outer process sent with `LabHostProcess.send`. Never close it.
    public let commandDescriptor: Int32
    /// Write end: bytes for the outer process's `LabHostProcess.eventLines`. Never close it.
    public let eventDescriptor: Int32
    /// Directory that is a tmpfs of this lab alone; gone with it.
    public let directory: String
    /// Everything after the hidden argument.
    public let arguments: [String]

    /// Writes bytes to the event pipe. Blocks while it is full; callers take turns, or lines would mix.
    public func emit(_ bytes: [UInt8]) throws(SystemError) {
        try writeBytes(bytes, to: eventDescriptor)
    }

    /// Every line of the command pipe, without its line feed; ends when the outer process has closed it. Call it once.
    public func commandLines() -> AsyncStream<[UInt8]> {
        lineStream("lab commands", of: commandDescriptor)
    }
}

/// The lab's namespaces, seen from the process that enters them.
public enum LabNamespace {
    /// The hidden first argument that makes labrun a lab host.
    public static let argument = "__lab-host"

    /// User and group id of the lab host inside.
    public static let innerIdentifier: UInt32 = 1000

    /// Enters the namespaces if the command line says so; `nil` in an ordinary labrun.
    ///
    /// Call it as the very first thing of `main`, before anything that could start a thread: unshare(2) refuses a user
    /// namespace to a process with threads. Three processes leave the call for one that entered it; only the lab host,
    /// PID 2 inside, returns. A failure ends the process with exit code 3 and is thrown in the outer one by
    /// `LabHostProcess.spawn`.
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
        // They arrived through exec; QEMU and other children must not inherit them.
        _ = linux_set_cloexec(LabHostDescriptor.commands, 1)
        _ = linux_set_cloexec(LabHostDescriptor.events, 1)
        return LabHostChannels(
            commandDescriptor: LabHostDescriptor.commands, eventDescriptor: LabHostDescriptor.events,
            directory: directory, arguments: Array(commandLine.dropFirst(3)))
    }

    /// The mount point that every lab of this user shares, each with its own tmpfs on it:
    /// `$XDG_RUNTIME_DIR/labrun` or `/tmp/labrun-UID`. Outside a lab it is empty, so a killed lab leaves nothing.
    /// Created if missing; refused when it is another user's or a symbolic link.
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
