import ControlPlane
import Lab
import Scenario
import Synchronization

/// Kills the API server. Healing starts it again; all that was stored is etcd's, and is still there. How long the agents
/// then take to be back is told with the proof.
struct APIServerDownFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "api-server-down", summary: "kill kube-apiserver", parameters: [],
        check: ControlPlaneFault.check, claims: { _, _ in ControlPlaneFault.claims(.apiServer) })

    private let down: ServerDown
    private let cluster: Cluster
    private let followers = Followers()

    /// What was seen of the agents after the server was started again.
    private final class Followers: Sendable {
        let words = Mutex<[String]>([])
    }

    private static let patience = Duration.seconds(30)

    init(_ call: FaultCall, in cluster: Cluster) throws {
        self.cluster = cluster
        down = ServerDown(server: .apiServer, servers: try ControlPlaneFault.servers(of: cluster, for: call))
    }

    var targets: [String] { [ControlPlaneServer.apiServer.rawValue] }
    var disturbsServers: [ControlPlaneServer] { [.apiServer] }

    func inject() async throws { try await down.inject() }
    func effect() async throws -> Proof { await down.effect() }

    func heal() async throws {
        try await down.heal()
        let seen = try await cluster.agentsCaughtUp(within: Self.patience)
        let taken = Int((seen.taken.inSeconds * 1000).rounded())
        let words =
            seen.behind.isEmpty
            ? "\(seen.agents) agents were connected and knew what the server has \(taken) ms after it was ready"
            : "\(taken) ms after the server was ready: " + seen.behind.joined(separator: "; ")
        followers.words.withLock { $0 = [words] }
    }

    /// Holds when the server is back. That agents are not is for expectations to judge.
    func gone() async throws -> Proof {
        let proof = await down.gone()
        return Proof(proof.holds, proof.evidence + followers.words.withLock { $0 })
    }
}
