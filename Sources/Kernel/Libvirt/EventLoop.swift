import CLibvirt
import LinuxKernel

/// libvirt's event loop: one thread for the process, running before the first connection is opened.
enum EventLoop {
    // A static let runs once, whoever comes first.
    private static let registration: LibvirtError? = {
        guard virInitialize() == 0 else { return .last("virInitialize", "") }
        // The default handler prints every error to stderr; ours are thrown.
        virSetErrorFunc(nil) { _, _ in }
        guard virEventRegisterDefaultImpl() == 0 else { return .last("virEventRegisterDefaultImpl", "") }
        startThread("libvirt events") {
            while true {
                // -1 only when the loop is unusable; the pending calls then fail with errors of their own.
                if virEventRunDefaultImpl() < 0 { return }
            }
        }
        return nil
    }()

    static func start() throws(LibvirtError) {
        if let failure = registration { throw failure }
    }
}
