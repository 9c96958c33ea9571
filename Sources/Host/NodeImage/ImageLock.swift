import Dispatch
import Glibc
import LinuxKernel

/// The exclusive right to change the cache, among all processes of a host and all tasks of a process.
///
/// A `flock(2)` on a file: the kernel gives it back when its holder ends, however it ends.
enum ImageLock {
    /// Runs `body` with the lock held; `waiting` is called first if another build holds it. The wait has a thread of
    /// its own. Cancellation takes effect when the lock arrives.
    static func hold<Value>(_ path: String, waiting: () -> Void, _ body: () async throws -> Value) async throws -> Value
    {
        let descriptor: Int32
        do throws(SystemError) {
            descriptor = try check("open", path) { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        } catch {
            throw ImageError.cache(error, "opening \(path)")
        }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            waiting()
            try await wait(for: descriptor, path)
        }
        return try await body()
    }

    private static func wait(for descriptor: Int32, _ path: String) async throws {
        let failure: SystemError? = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                do throws(SystemError) {
                    try check("flock", path) { flock(descriptor, LOCK_EX) }
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: error)
                }
            }
        }
        if let failure { throw ImageError.cache(failure, "waiting for \(path)") }
        try Task.checkCancellation()
    }
}
