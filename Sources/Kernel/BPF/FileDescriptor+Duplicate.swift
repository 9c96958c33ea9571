import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

extension FileDescriptor {
    /// Duplicates a descriptor that libbpf owns, so that the new one has an owner of its own.
    init(duplicating number: Int32, subject: String) throws(SystemError) {
        self.init(owning: try check("fcntl(F_DUPFD_CLOEXEC)", subject) { fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }
}
