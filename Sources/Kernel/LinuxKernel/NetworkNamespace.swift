import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

private let cloneNewNet: Int32 = 0x4000_0000

/// A network namespace, kept alive as long as this value lives.
public struct NetworkNamespace: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Opens a namespace by path, for example `/proc/42/ns/net` or `/run/netns/pod-a`.
    public init(path: String) throws(SystemError) {
        descriptor = try FileDescriptor.open(path, O_RDONLY)
    }

    private init(owning descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }

    /// The namespace of the calling thread.
    public static func current() throws(SystemError) -> NetworkNamespace {
        try NetworkNamespace(path: "/proc/thread-self/ns/net")
    }

    /// A fresh, unnamed namespace with only `lo`, down. Needs CAP_SYS_ADMIN.
    public static func create() throws(SystemError) -> NetworkNamespace {
        // unshare(2) changes the calling thread for good: so a thread of its own.
        let made = runOnOwnThread { () -> Result<Int32, SystemError> in
            do throws(SystemError) {
                try check("unshare", "CLONE_NEWNET") { linux_unshare(cloneNewNet) }
                return .success(try FileDescriptor.open("/proc/thread-self/ns/net", O_RDONLY).release())
            } catch {
                return .failure(error)
            }
        }
        return NetworkNamespace(owning: FileDescriptor(owning: try made.get()))
    }

    /// The descriptor, for netlink's `IFLA_NET_NS_FD` and setns(2).
    public var rawDescriptor: Int32 { descriptor.rawValue }

    /// Binds the namespace to a file, so that it outlives every process, as `ip netns add` does.
    public borrowing func bind(to path: String) throws(SystemError) {
        _ = try FileDescriptor.open(path, O_RDONLY | O_CREAT | O_EXCL, mode: 0o400)
        let number = descriptor.rawValue
        // By /proc/self/fd: the mount source must be the open namespace itself.
        try mountFilesystem("/proc/self/fd/\(number)", on: path, flags: UInt(MS_BIND))
    }

    /// Runs the body on a thread of its own that has joined the namespace, and waits for it. Sockets opened there stay
    /// in the namespace for good, wherever they are used later.
    public borrowing func run<Value: Sendable>(_ body: @Sendable () throws -> Value) throws -> Value {
        let number = descriptor.rawValue
        return try withoutActuallyEscaping(body) { body in
            try runOnOwnThread { () -> Result<Value, any Error> in
                Result {
                    try check("setns", "network namespace") { linux_setns(number, cloneNewNet) }
                    return try body()
                }
            }.get()
        }
    }
}
