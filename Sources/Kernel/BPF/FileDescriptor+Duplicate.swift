import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

extension FileDescriptor {
    /// A number of our own for a descriptor that libbpf owns.
    init(duplicating number: Int32, subject: String) throws(SystemError) {
        self.init(owning: try check("fcntl(F_DUPFD_CLOEXEC)", subject) { fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }
}
