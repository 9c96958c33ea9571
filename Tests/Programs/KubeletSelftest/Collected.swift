import KubeletServer
import LinuxKernel
import Synchronization

/// Bytes that a program has written so far.
final class Collected: Sendable {
    private let held = Mutex<[UInt8]>([])

    var bytes: [UInt8] { held.withLock { $0 } }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var output: RemoteOutput { RemoteOutput(writing: { bytes in self.held.withLock { $0 += bytes } }) }

    /// Waits until a text has come.
    ///
    /// - Throws: What came instead.
    func wait(for text: String, within limit: Duration = .seconds(20)) async throws {
        let deadline = Deadline.after(limit)
        while !self.text.contains(text) {
            if deadline.hasPassed { throw Unexpected(description: "waited for \(text); there was: \(self.text)") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
