import CLinuxShim
import LinuxKernel
import NIOCore
import NIOPosix

/// The thread on which a client's sockets are opened and used.
///
/// Clients in the process's own network namespace share one. A client in another namespace has a thread of its own that
/// has entered it for good, since a socket lies in the namespace of the thread that opened it.
final class NetworkLoop: Sendable {
    let loop: any EventLoop
    /// Fails if the namespace could not be entered.
    let isThere: EventLoopFuture<Void>
    private let group: MultiThreadedEventLoopGroup
    private let isOwn: Bool

    private static let cloneNewNet: Int32 = 0x4000_0000
    static let shared = NetworkLoop(MultiThreadedEventLoopGroup(numberOfThreads: 1))

    private init(_ group: MultiThreadedEventLoopGroup) {
        loop = group.next()
        isThere = loop.makeSucceededVoidFuture()
        self.group = group
        isOwn = false
    }

    /// - Parameter namespace: The descriptor of a network namespace. It is duplicated.
    init(in namespace: Int32) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        isOwn = true
        loop = group.next()
        do throws(SystemError) {
            let number = try check("fcntl", "network namespace") { linux_duplicate_above(namespace, 3) }
            isThere = loop.submit {
                let descriptor = FileDescriptor(owning: number)
                try check("setns", "network namespace") { linux_setns(descriptor.rawValue, Self.cloneNewNet) }
            }
        } catch {
            isThere = loop.makeFailedFuture(error)
        }
    }

    deinit {
        // The last reference may be dropped on the thread itself, which cannot wait for its own end.
        if isOwn { group.shutdownGracefully { _ in } }
    }
}
