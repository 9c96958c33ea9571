import ControlPlane
import KubeClient
import Lab

/// Requests to the control plane, by whose answers its faults are proven.
///
/// Each is sent over a connection of its own, because a server that is down may have left an old one open.
struct ControlPlaneOracle: Sendable {
    struct Answer: Sendable {
        /// Whether it came, and says that the server is well.
        let isGood: Bool
        let took: Duration
        /// The request, the answer and its time in words of a report.
        let words: String

        /// The one that is no good, or else the slower one.
        static func worse(_ first: Answer, _ second: Answer) -> Answer {
            if first.isGood != second.isGood { return first.isGood ? second : first }
            return first.took >= second.took ? first : second
        }
    }

    let servers: LabControlPlane

    /// Asks the API server over the wire whether it is ready.
    func ready(within deadline: Duration = .seconds(3)) async -> Answer {
        await ask(servers.clientOnTheWire(), "/readyz", within: deadline)
    }

    /// Asks a server for its health on the loopback interface beside it.
    func health(of server: ControlPlaneServer, within deadline: Duration = .seconds(3)) async -> Answer {
        let probe = await servers.plane.probe(server, within: deadline)
        return Answer(
            isGood: probe.isHealthy, took: .seconds(probe.seconds),
            words: "asked for its health, \(server) said \(probe.answer) after \(Int(probe.seconds * 1000)) ms")
    }

    /// Reads an object as it is stored now. The API server asks etcd for it, whatever it has in memory.
    func stored(within deadline: Duration) async -> Answer {
        await ask(servers.client(), "/api/v1/namespaces/default", within: deadline)
    }

    private func ask(_ client: KubeClient, _ path: String, within deadline: Duration) async -> Answer {
        let clock = ContinuousClock()
        let begun = clock.now
        let what: String
        var isGood = false
        do {
            let response = try await client.send(KubeRequest(method: "GET", path: path), within: deadline)
            isGood = response.status == 200
            what = "answered \(response.status)"
        } catch {
            what = "failed: \(error)"
        }
        let took = clock.now - begun
        await client.close()
        return Answer(
            isGood: isGood, took: took,
            words: "GET \(client.server)\(path) \(what) after \(Int(took / .milliseconds(1))) ms")
    }
}
