import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

private let cloneFS: Int32 = 0x0000_0200
private let cloneNewNS: Int32 = 0x0002_0000

/// A mount namespace. It exists as long as this value, a process in it, or a mount of it.
public struct MountNamespace: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Creates a copy of the calling thread's mounts. The body changes the copy on a thread of its own, and nobody else
    /// sees the changes. This needs CAP_SYS_ADMIN.
    public static func create(_ body: @Sendable () throws -> Void) throws -> MountNamespace {
        let number = try withoutActuallyEscaping(body) { body in
            try runOnOwnThread { () -> Result<Int32, any Error> in
                Result {
                    try check("unshare", "CLONE_NEWNS") { linux_unshare(cloneFS | cloneNewNS) }
                    try mountFilesystem("", on: "/", flags: UInt(MS_REC | MS_PRIVATE))
                    try body()
                    return try FileDescriptor.open("/proc/thread-self/ns/mnt", O_RDONLY).release()
                }
            }.get()
        }
        return MountNamespace(descriptor: FileDescriptor(owning: number))
    }

    /// Runs the body on a thread of its own that has joined the namespace, and waits for it. Threads and processes that
    /// the body starts are in the namespace, too.
    public borrowing func run<Value: Sendable>(_ body: @Sendable () throws -> Value) throws -> Value {
        let number = descriptor.rawValue
        return try withoutActuallyEscaping(body) { body in
            try runOnOwnThread { () -> Result<Value, any Error> in
                Result {
                    try check("unshare", "CLONE_FS") { linux_unshare(cloneFS) }
                    try check("setns", "mount namespace") { linux_setns(number, cloneNewNS) }
                    return try body()
                }
            }.get()
        }
    }
}
