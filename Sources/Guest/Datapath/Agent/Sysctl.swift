import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Kernel parameters below `/proc/sys`, of the network namespace that the calling thread is in.
package enum Sysctl {
    /// Sets a parameter if it has another value.
    package static func set(_ name: String, _ value: String) throws(SystemError) {
        let path = "/proc/sys/" + name
        let present = try FileDescriptor.open(path, O_RDONLY).readToEnd()
        if String(decoding: present, as: UTF8.self).prefix(while: { !$0.isNewline }) == value { return }
        try FileDescriptor.open(path, O_WRONLY).writeAll(value.utf8)
    }

    /// Does the same for a parameter that some kernels lack (IPv6 compiled out or switched off).
    static func setIfPresent(_ name: String, _ value: String) throws(SystemError) {
        do throws(SystemError) { try set(name, value) } catch { if error.code != ENOENT { throw error } }
    }
}
