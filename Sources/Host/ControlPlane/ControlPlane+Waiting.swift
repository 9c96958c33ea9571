import LinuxKernel

extension ControlPlane {
    /// Asks again and again until nothing is missing any more.
    ///
    /// - Parameter missing: What is missing yet, in words; nil when nothing is.
    /// - Throws: `ControlPlaneError`: `ended` as soon as a server has ended that was not to, `timedOut` with what was
    ///   missing last; `CancellationError`.
    func wait(_ aim: String, until deadline: Deadline, missing: @Sendable () async -> String?) async throws {
        while true {
            try Task.checkCancellation()
            if let end = unexpectedEnd() { throw ControlPlaneError(end) }
            guard let state = await missing() else { return }
            if deadline.hasPassed { throw ControlPlaneError(.timedOut, "waited in vain for \(aim): \(state)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension ControlPlaneError {
    /// A server ended that was not to.
    init(_ end: ControlPlaneNotice) {
        let lines = end.lastLines.suffix(5).joined(separator: "\n  ")
        self.init(
            .ended, "\(end.server) ended with \(end.status)" + (lines.isEmpty ? "" : "; its last lines:\n  \(lines)"))
    }
}
