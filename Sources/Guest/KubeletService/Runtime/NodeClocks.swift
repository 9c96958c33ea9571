import Kubelet

#if canImport(Glibc)
    import Glibc
#endif

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
