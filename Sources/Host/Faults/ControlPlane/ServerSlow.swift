import ControlPlane
import Lab
import Scenario
import ScenarioReading
import Synchronization

/// Makes a server of the control plane slow: it stands still for twice the delay, over and over, and runs for a moment
/// between.
final class ServerSlow: Sendable {
    static let delay = FaultParameter.duration(
        "delay", required: true, help: "how long an answer waits on average, 200ms to 10s")

    /// A shorter one cannot be told from a busy machine; a longer one takes longer to prove than anybody waits.
    private static let delays = 0.2...10

    static func check(_ check: inout FaultCheck) {
        ControlPlaneFault.check(&check)
        guard let seconds = check.call[delay], !delays.contains(seconds) else { return }
        check.report(
            at: delay.name, message: "a delay of \(Units.text(seconds: seconds)) cannot be proven",
            expected: "a duration from 200ms to 10s")
    }

    private let server: ControlPlaneServer
    private let servers: LabControlPlane
    private let delay: Duration
    private let ask: @Sendable (ControlPlaneOracle, Duration) async -> ControlPlaneOracle.Answer
    private let before = Mutex<ControlPlaneOracle.Answer?>(nil)

    /// - Parameter ask: Sends a request whose answer needs the server.
    init(
        _ server: ControlPlaneServer, of servers: LabControlPlane, by call: FaultCall,
        ask: @escaping @Sendable (ControlPlaneOracle, Duration) async -> ControlPlaneOracle.Answer
    ) {
        self.server = server
        self.servers = servers
        delay = .seconds(call[Self.delay] ?? 0)
        self.ask = ask
    }

    func inject() async throws {
        let answer = await slowest()
        before.withLock { $0 = answer }
        try await servers.plane.slow(server, by: delay)
    }

    /// Holds when the slowest answer takes as long as the delay, and took less before.
    func effect() async -> Proof {
        let (before, now) = (before.withLock { $0 }, await slowest())
        return Proof(
            now.isGood && now.took >= delay && (before?.took ?? delay) < delay,
            ["before: \(before?.words ?? "not asked")", "now: \(now.words)"])
    }

    func heal() async throws { await servers.plane.resume(server) }

    /// Holds when the slowest answer takes less than the delay.
    func gone() async -> Proof {
        let now = await slowest()
        return Proof(now.isGood && now.took < delay, [now.words])
    }

    /// Asks three times, a third of the server's turn apart. Of these requests one meets it near the beginning of its
    /// standstill, whenever the first is sent.
    private func slowest() async -> ControlPlaneOracle.Answer {
        let oracle = ControlPlaneOracle(servers: servers)
        // TLS takes some round trips, each of which may have to wait for a whole turn.
        let (ask, turn) = (ask, delay * 2)
        return await withTaskGroup(of: ControlPlaneOracle.Answer.self) { group in
            for third in 0..<3 {
                group.addTask {
                    try? await Task.sleep(for: turn * third / 3)
                    return await ask(oracle, .seconds(10) + turn * 6)
                }
            }
            var slowest: ControlPlaneOracle.Answer?
            for await answer in group {
                guard let known = slowest else {
                    slowest = answer
                    continue
                }
                slowest = ControlPlaneOracle.Answer.worse(known, answer)
            }
            return slowest ?? ControlPlaneOracle.Answer(isGood: false, took: .zero, words: "not asked")
        }
    }
}
