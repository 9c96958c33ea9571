import Files
import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// The read-only disk with programs, mounted when the first one is to run.
final class UserlandDisk: Sendable {
    static let mountPoint = "/usr/userland"
    private static let device = "/dev/vda"
    /// How long the kernel may take to show the disk after its driver was loaded.
    private static let patience = Duration.seconds(5)

    private let isMounted = Mutex(false)

    /// Mounts the disk unless it is mounted already, or its directory has programs without it.
    /// - Throws: `NodeFailure` `no-userland` when the machine has no such disk; `SystemError`.
    func mount() throws {
        try isMounted.withLock { isMounted in
            guard !isMounted else { return }
            if access(Self.mountPoint + "/bin", F_OK) == 0 {
                isMounted = true
                return
            }
            try ModuleDemand.load("virtio_blk")
            let deadline = Deadline.after(Self.patience)
            while access(Self.device, F_OK) != 0 {
                guard !deadline.hasPassed else {
                    throw NodeFailure(
                        code: "no-userland", message: "the node has no userland disk: \(Self.device) is not there")
                }
                poll(nil, 0, 2)
            }
            try? Directories.make(Self.mountPoint)
            try mountFilesystem(
                Self.device, on: Self.mountPoint, type: "squashfs", flags: UInt(MS_RDONLY | MS_NODEV))
            isMounted = true
        }
    }
}
