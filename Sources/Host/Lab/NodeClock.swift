import NodeProtocol

/// A reading of a node's clock between two of the host's.
struct NodeClock: Sendable {
    /// The host's time before the node was asked, and after it had answered.
    var asked: ContinuousClock.Instant
    var answered: ContinuousClock.Instant
    /// How long the node had been up by its own clock.
    var uptime: Duration

    /// By how much a clock may be off before it is not believed. The kernels' own measuring is good to half a percent.
    static let tolerance = 0.1

    /// How many times as fast as the host's clock the node's went between an earlier reading and this one. Nil if it
    /// agrees with the host's as far as can be told: the node read its clock at some time between question and answer.
    func rate(since first: NodeClock) -> Double? {
        let took = (uptime - first.uptime).inSeconds
        let most = (answered - first.asked).inSeconds
        let least = max(0, (asked - first.answered).inSeconds)
        if took > most * (1 + Self.tolerance) { return took / max(most, 0.001) }
        if took < least * (1 - Self.tolerance) { return took / least }
        return nil
    }
}

extension ClusterNode {
    /// Reads the node's clock.
    func clock(within deadline: Duration) async throws -> NodeClock {
        let asked = ContinuousClock.now
        guard case .uptime(let milliseconds) = try await call(.uptime, within: deadline) else {
            throw LabError(.request, "\(name) answered something else than its uptime")
        }
        return NodeClock(asked: asked, answered: .now, uptime: .milliseconds(milliseconds))
    }

    /// Checks that the node's clock keeps up with the host's. What a node with a wrong clock waits for, it waits for
    /// too short or too long, and nothing that it measures can be believed.
    func checkClock(since first: NodeClock, within deadline: Duration) async throws {
        let now = try await clock(within: deadline)
        guard let rate = now.rate(since: first) else { return }
        let times = (rate * 100).rounded() / 100
        throw LabError(
            .nodeFailed,
            "\(name)'s clock runs \(times) times as fast as this machine's, so nothing that it measures can be believed"
        )
    }
}
