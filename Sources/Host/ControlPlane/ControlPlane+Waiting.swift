import LinuxKernel

extension ControlPlane {
    /// Asks again and again until nothing is missing any more.
    ///
    /// - Parameters:
    ///   - servers: Without these it is in vain to wait.
    ///   - missing: What is missing yet, in words; nil when nothing is.
    /// - Throws: `ControlPlaneError`: `ended` as soon as one of the servers has ended that was not to, `timedOut` with
    ///   what was missing last; `CancellationError`.
    func wait(
        _ aim: String, of servers: [ControlPlaneServer] = ControlPlaneServer.allCases, until deadline: Deadline,
        missing: @Sendable () async -> String?
    ) async throws {
        while true {
            try Task.checkCancellation()
            if let end = unexpectedEnd(of: servers) { throw ControlPlaneError(end) }
            guard let state = await missing() else { return }
            if deadline.hasPassed { throw ControlPlaneError(.timedOut, "waited in vain for \(aim): \(state)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension ControlPlaneError {
    /// A server ended that was not to.
    init(_ end: ControlPlaneNotice) {
        let lines = end.lastLines
        // What says why is the first one, or near the end.
        let told = lines.count > 5 ? lines.prefix(1) + lines.suffix(4) : lines[...]
        let text = told.isEmpty ? "" : "; its last lines:\n  " + told.joined(separator: "\n  ")
        self.init(.ended, "\(end.server) ended with \(end.status)\(text)")
    }
}
