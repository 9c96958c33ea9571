import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// Caught signals, as a readable descriptor or an asynchronous sequence.
///
/// A handler writes to a pipe. With signalfd, signals would have to be blocked, and processes started later (QEMU, the
/// agent) would inherit that mask.
public enum SignalStream {
    /// Catches the signals from now on. The descriptor that is returned gives one byte, the signal's number, for each
    /// signal. A process has only one such descriptor: never close it, and let only one reader use it.
    public static func descriptor(for signals: [Int32]) throws(SystemError) -> Int32 {
        try check("sigaction") { linux_signal_pipe(signals, signals.count) }
    }

    /// Catches the signals and yields their numbers. Call it only once in a process.
    public static func signals(_ signals: [Int32]) throws(SystemError) -> AsyncStream<Int32> {
        let number = try descriptor(for: signals)
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        startThread("signals") {
            while true {
                guard (try? waitUntilReady(number, events: Int16(POLLIN), until: .after(.seconds(3600)))) != nil else {
                    continuation.finish()
                    return
                }
                for byte in (try? readBytes(from: number, upTo: 64)) ?? [] {
                    continuation.yield(Int32(byte))
                }
            }
        }
        return stream
    }
}
