import ControlPlane
import Glibc
import Lab

/// Kills a server of the control plane, and starts it again with the same state.
struct ServerDown: Sendable {
    let server: ControlPlaneServer
    let servers: LabControlPlane
    private var oracle: ControlPlaneOracle { ControlPlaneOracle(servers: servers) }

    func inject() async throws { try await servers.plane.kill(server, signal: SIGKILL) }

    /// Holds when the server's process is gone and a request to it is not answered.
    func effect() async -> Proof { await proof(isRunning: false) }

    func heal() async throws { try await servers.plane.start(server) }

    /// Holds when the server's process runs, and it says that it is well.
    func gone() async -> Proof { await proof(isRunning: true) }

    private func proof(isRunning: Bool) async -> Proof {
        let runs = await servers.plane.isRunning(server)
        let answer = await server == .apiServer ? oracle.ready() : oracle.health(of: server)
        return Proof(
            runs == isRunning && answer.isGood == isRunning,
            ["the process of \(server) \(runs ? "runs" : "does not run")", answer.words])
    }
}
