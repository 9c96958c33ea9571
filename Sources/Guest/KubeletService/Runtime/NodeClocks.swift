import Kubelet
import KubeletServer

#if canImport(Glibc)
    import Glibc
#endif

extension LogTime {
    /// The node's wall clock.
    public static var now: LogTime {
        let time = reading(CLOCK_REALTIME)
        return LogTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}

extension KubeletTime {
    /// Both of the node's clocks.
    public static var now: KubeletTime {
        let monotonic = reading(CLOCK_MONOTONIC)
        let wall = reading(CLOCK_REALTIME)
        return KubeletTime(
            monotonic: .seconds(monotonic.tv_sec) + .nanoseconds(monotonic.tv_nsec),
            unixMicroseconds: Int64(wall.tv_sec) * 1_000_000 + Int64(wall.tv_nsec) / 1000)
    }
}

private func reading(_ clock: clockid_t) -> timespec {
    var time = timespec()
    clock_gettime(clock, &time)
    return time
}
