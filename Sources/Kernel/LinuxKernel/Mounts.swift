#if canImport(Glibc)
    import Glibc
#endif

/// Calls mount(2). `source`, `type` and `options` may be empty, as the kernel allows for remounts and binds.
public func mountFilesystem(
    _ source: String, on target: String, type: String = "", flags: UInt = 0, options: String = ""
) throws(SystemError) {
    try check("mount", target) {
        mount(source, target, type.isEmpty ? nil : type, flags, options.isEmpty ? nil : options)
    }
}

/// Calls umount2(2), with `MNT_DETACH` if `lazily` is set.
public func unmountFilesystem(_ target: String, lazily: Bool = false) throws(SystemError) {
    try check("umount2", target) { umount2(target, lazily ? Int32(MNT_DETACH) : 0) }
}
