import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// Loads kernel modules with finit_module(2).
public enum KernelModule {
    /// Loads an uncompressed module file. It succeeds if the module is loaded already (`EEXIST`).
    public static func load(_ path: String, parameters: String = "") throws(SystemError) {
        let file = try FileDescriptor.open(path, O_RDONLY)
        let number = file.rawValue
        guard linux_finit_module(number, parameters, 0) != 0 else { return }
        let failure = SystemError.last("finit_module", path)
        if failure.code != EEXIST { throw failure }
    }
}
