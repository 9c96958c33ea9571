import LinuxKernel

#if canImport(Glibc)
import Glibc
#endif

/// An owned file descriptor, closed at the end of its life.
struct Descriptor: ~Copyable, Sendable {
    let value: Int32

    init(owning value: Int32) {
        self.value = value
    }

    init(duplicating value: Int32, subject: String) throws(SystemError) {
        self.value = try check("fcntl(F_DUPFD_CLOEXEC)", subject) { fcntl(value, F_DUPFD_CLOEXEC, 0) }
    }

    deinit {
        close(value)
    }
}
