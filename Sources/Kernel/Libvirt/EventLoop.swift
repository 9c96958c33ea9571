import CLibvirt
import LinuxKernel

/// libvirt's event loop: one thread for the whole process, started before the first connection is opened.
enum EventLoop {
    // A static let is initialised once, whoever comes first.
    private static let registration: LibvirtError? = {
        guard virInitialize() == 0 else { return .last("virInitialize", "") }
        // libvirt's default handler prints every error to standard error. Ours are thrown.
        virSetErrorFunc(nil) { _, _ in }
        guard virEventRegisterDefaultImpl() == 0 else { return .last("virEventRegisterDefaultImpl", "") }
        startThread("libvirt events") {
            while true {
                // This returns -1 only if the loop is unusable. Pending calls then fail with their own errors.
                if virEventRunDefaultImpl() < 0 { return }
            }
        }
        return nil
    }()

    static func start() throws(LibvirtError) {
        if let failure = registration { throw failure }
    }
}
