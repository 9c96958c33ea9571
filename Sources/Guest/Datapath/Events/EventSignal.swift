import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Wakes threads that wait for the next event.
final class EventSignal: @unchecked Sendable {
    // This is unchecked because the pointers never change, and what they point to is pthread's own and made for many
    // threads.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // The wall clock jumps when a node is restored.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func notify() {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits until the test holds or the deadline has passed.
    func wait(until deadline: Deadline, _ holds: () -> Bool) {
        var time = timespec(
            tv_sec: Int(deadline.time.nanoseconds / 1_000_000_000),
            tv_nsec: Int(deadline.time.nanoseconds % 1_000_000_000))
        pthread_mutex_lock(mutex)
        while !holds(), pthread_cond_timedwait(condition, mutex, &time) == 0 {}
        pthread_mutex_unlock(mutex)
    }
}
