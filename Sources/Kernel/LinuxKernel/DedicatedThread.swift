import CLinuxShim

#if canImport(Glibc)
    import Glibc
#endif

/// What a new thread is to run. This is a class because pthread_create takes one pointer.
private final class ThreadBody {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}

private func threadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().body()
    return nil
}

/// Starts a detached thread for work that blocks, so that the threads of Swift's concurrency stay free.
public func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = launch {
        _ = linux_name_thread(name)
        body()
    }
    pthread_detach(thread)
}

/// Runs blocking work on a thread of its own and waits for its result without blocking Swift's concurrency.
public func onOwnThread<Value: Sendable>(
    _ name: String, _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        startThread(name) { continuation.resume(with: Result { try body() }) }
    }
}

/// Runs the body on a new thread and waits until the thread has ended.
func runOnOwnThread<Value>(_ body: () -> Value) -> Value {
    withoutActuallyEscaping(body) { body in
        let slot = ResultSlot<Value>()
        let thread = launch { slot.value = body() }
        pthread_join(thread, nil)
        guard let value = slot.value else { preconditionFailure("thread ended without its result") }
        return value
    }
}

private final class ResultSlot<Value> {
    var value: Value?
}

private func launch(_ body: @escaping () -> Void) -> pthread_t {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(ThreadBody(body))
    let result = pthread_create(&thread, nil, threadMain, context.toOpaque())
    // The only error is EAGAIN, for lack of threads or memory, and then nothing else would work either.
    precondition(result == 0, "pthread_create: \(result)")
    return thread
}

/// Lowers the calling thread's priority (setpriority(2), nice 10), so that everything else on a busy processor goes
/// first.
public func yieldToOthers() {
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
}
