import KubeletServer

#if canImport(Glibc)
    import Glibc
#endif
import CNodeShim

/// Hands pieces of output from a thread, which waits when the reader is behind, to a task.
final class OutputRelay: Sendable {
    struct Piece: Sendable {
        let stream: ContainerLog.Stream
        let bytes: [UInt8]
    }

    /// How many pieces wait to be written.
    private static let depth: UInt32 = 8
    /// As good as never waiting: the reader has gone.
    private static let abandoned: eventfd_t = 1 << 40

    let pieces: AsyncStream<Piece>
    private let send: AsyncStream<Piece>.Continuation
    private let slots: Int32

    init() {
        (pieces, send) = AsyncStream<Piece>.makeStream()
        slots = eventfd(Self.depth, Int32(EFD_SEMAPHORE | EFD_CLOEXEC))
    }

    deinit { close(slots) }

    /// Gives a piece, and blocks while too many wait.
    func put(_ stream: ContainerLog.Stream, _ bytes: ArraySlice<UInt8>) {
        var one: eventfd_t = 0
        while eventfd_read(slots, &one) != 0 && errno == EINTR {}
        send.yield(Piece(stream: stream, bytes: Array(bytes)))
    }

    func end() { send.finish() }

    /// A piece was written.
    func taken() { eventfd_write(slots, 1) }

    /// Nobody takes any more.
    func abandon() { eventfd_write(slots, Self.abandoned) }
}
