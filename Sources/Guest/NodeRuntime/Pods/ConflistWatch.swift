import CNodeShim
import Files
import Glibc
import LinuxKernel

/// Tells when the configuration in force appears, is another file than before, or disappears.
enum ConflistWatch {
    /// Starts watching the directory, which is made if missing; reports the present state at once when there is one.
    static func start(_ directory: ConflistDirectory, changed: @escaping @Sendable (String?) -> Void)
        throws(SystemError)
    {
        try? Directories.make(directory.path)
        let watch = FileDescriptor(owning: try check("inotify_init1") { inotify_init1(Int32(IN_CLOEXEC)) })
        let events = UInt32(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
        let number = watch.rawValue
        try check("inotify_add_watch", directory.path) { inotify_add_watch(number, directory.path, events) }
        let owned = watch.release()
        startThread("conflists") {
            let watch = FileDescriptor(owning: owned)
            var present: String?
            while true {
                let now = directory.first()?.path
                if now != present {
                    present = now
                    changed(now)
                }
                guard (try? watch.read())?.isEmpty == false else { return }
            }
        }
    }
}
