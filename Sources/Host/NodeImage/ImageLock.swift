import Dispatch
import Glibc
import LinuxKernel

/// The exclusive right to change the cache, among all processes of a host and all tasks of a process.
///
/// It is a `flock(2)` on a file, which the kernel releases when its holder ends, however that happens.
enum ImageLock {
    /// Runs `body` with the lock held. If another build holds it, `waiting` is called first. A thread of its own waits.
    /// A cancellation takes effect only when the lock has been obtained.
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
