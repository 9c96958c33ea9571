import Glibc
import LinuxKernel
import Reports

/// Writes a command's result to standard output. Unlike `print`, it says when the result could not be written.
enum StandardOutput {
    /// A result that was not written, or only in part. The command ends with exit code 3.
    struct Failure: Error, CustomStringConvertible {
        let reason: String

        var description: String { "standard output: cannot write: \(reason)" }
    }

    /// Writes the text, and a line feed if it has none at its end. A reader that went away, as in `labrun … | head`,
    /// is no failure.
    static func write(_ text: some CustomStringConvertible, to descriptor: Int32 = 1) throws(Failure) {
        let text = text.description
        let bytes = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)
        do throws(SystemError) {
            try WriteCall.kernel.all(bytes, to: descriptor)
        } catch {
            if error.code != EPIPE { throw Failure(reason: error.reason) }
        }
    }
}
