import KubeClient
import LinuxKernel
import NetAddress

/// What a server says when it is asked for its health.
public struct ServerProbe: Sendable, Hashable, Codable {
    public var server: ControlPlaneServer
    /// Whether its process is there, be it stopped.
    public var isRunning: Bool
    public var isHealthy: Bool
    /// `ok`, or why there is none: `status 500: …`, `API server unreachable: …`.
    public var answer: String
    /// How long it took to answer, or to give up.
    public var seconds: Double
}

/// Clients of the control plane's servers, inside of its network namespace.
struct ControlPlaneClients: Sendable {
    private let clients: [ControlPlaneServer: KubeClient]

    init(_ credentials: ClusterCredentials, namespacePath: String) throws {
        let namespace = try NetworkNamespace(path: namespacePath)
        var clients: [ControlPlaneServer: KubeClient] = [:]
        for server in credentials.servers {
            // The descriptor is duplicated.
            clients[server] = KubeClient(
                credentials.healthServer(server), userAgent: "labrun", in: namespace.rawDescriptor)
        }
        self.clients = clients
    }

    func close() async {
        for client in clients.values { await client.close() }
    }

    /// Why the server has not answered at all; nil if it has, whatever the answer.
    func silence(of server: ControlPlaneServer) async -> String? {
        await ask(server, "/healthz", within: .seconds(2)) { _ in nil }
    }

    /// Why the server is not healthy; nil if it is.
    func ailment(of server: ControlPlaneServer, within limit: Duration = .seconds(2)) async -> String? {
        let path =
            switch server {
            case .etcd: "/health"
            case .apiServer: "/readyz"
            case .controllerManager, .scheduler, .datapathOperator, .cloudController: "/healthz"
            }
        return await ask(server, path, within: limit) { response in
            // etcd answers 503 where it has no leader.
            response.status == 200 ? nil : "status \(response.status): \(text(response))"
        }
    }

    /// Why the API server does not have an object; nil if it does.
    func absence(of resource: KubeResource, namespace: String?, name: String) async -> String? {
        let path = resource.path(namespace: namespace, name: name, subresource: nil)
        return await ask(.apiServer, path, within: .seconds(5)) { response in
            response.status == 200 ? nil : "\(path): status \(response.status)"
        }
    }

    func probe(_ server: ControlPlaneServer, isRunning: Bool, within limit: Duration) async -> ServerProbe {
        let begin = MonotonicTime.now
        let ailment = await ailment(of: server, within: limit)
        return ServerProbe(
            server: server, isRunning: isRunning, isHealthy: ailment == nil, answer: ailment ?? "ok",
            seconds: MonotonicTime.now.since(begin).seconds)
    }

    private func ask(
        _ server: ControlPlaneServer, _ path: String, within limit: Duration,
        _ judge: (KubeResponse) -> String?
    ) async -> String? {
        guard let client = clients[server] else { return "no client of \(server)" }
        do {
            return judge(try await client.send(KubeRequest(path: path), within: limit))
        } catch let error as KubeClientError {
            return words(error, server)
        } catch { return "\(error)" }
    }

    /// The client's own words speak of an API server, whichever server it was.
    private func words(_ error: KubeClientError, _ server: ControlPlaneServer) -> String {
        switch error {
        case .unreachable(let reason): "\(server) is unreachable: \(reason)"
        case .tls(let reason): "TLS with \(server): \(reason)"
        case .timedOut(let reason): "no answer of \(server) in time: \(reason)"
        case .refused, .malformed: "\(error)"
        }
    }

    /// The end of a long answer says which check has failed.
    private func text(_ response: KubeResponse) -> String {
        String(decoding: response.body.suffix(300), as: UTF8.self).replacing("\n", with: " ")
    }
}
