import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Runs asynchronous work for a thread that has to wait for it.
final class Waiting<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let pipe: Pipe

    private init() throws { pipe = try Pipe() }

    /// Waits for the work, which is cancelled at the deadline.
    ///
    /// - Parameter signals: Is readable when the process is to end.
    /// - Returns: Nil if the deadline has passed or the process is to end.
    static func run(
        until deadline: Deadline, signals: Int32? = nil, _ work: @escaping @Sendable () async throws -> Value
    ) throws -> Value? {
        let waiting = try Waiting()
        let task = Task {
            let result: Result<Value, any Error>
            do {
                result = .success(try await work())
            } catch {
                result = .failure(error)
            }
            waiting.result.withLock { $0 = result }
            try? waiting.pipe.writeEnd.writeAll([1])
        }
        defer { task.cancel() }
        while true {
            var descriptors = [pollfd(fd: waiting.pipe.readEnd.rawValue, events: Int16(POLLIN), revents: 0)]
            if let signals { descriptors.append(pollfd(fd: signals, events: Int16(POLLIN), revents: 0)) }
            let ready = poll(&descriptors, nfds_t(descriptors.count), deadline.remainingMilliseconds)
            if ready < 0, errno != EINTR { throw SystemError.last("poll") }
            if let result = waiting.result.withLock({ $0 }) { return try result.get() }
            if descriptors.count > 1, descriptors[1].revents != 0 { return nil }
            if ready == 0, deadline.hasPassed { return nil }
        }
    }
}
