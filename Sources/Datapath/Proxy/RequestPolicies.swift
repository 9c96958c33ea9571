import BPF
import DatapathModel
import LinuxKernel
import NetAddress
import Policy
import RequestProxy
import Synchronization

/// What the proxy asks about: the policies of the node's endpoints, and who a connection's client is.
final class RequestPolicies: Sendable {
    /// An endpoint of the node. Connections that came through the proxy stay there when policies change.
    struct Endpoint: Sendable {
        let id: UInt16
        let identity: Identity
        /// Nil: no policy is about what comes to it.
        let policy: RequestPolicy?
    }

    private let endpoints = Mutex<[IPv4Address: Endpoint]>([:])
    private let connections: Map<ConnectionKey, ConnectionEntry>

    init(pins: String) throws(SystemError) {
        connections = try Map(pinnedAt: "\(pins)/\(MapName.tcpConnections)")
    }

    func replace(_ policies: [IPv4Address: Endpoint]) { endpoints.withLock { $0 = policies } }

    /// Whether a request may pass; one that may not is reported.
    func allows(
        _ request: RequestFacts, _ connection: ProxiedConnection, _ rules: RuleNames, _ events: EventLog
    ) -> Bool {
        let endpoint = endpoints.withLock { $0[connection.server] }
        let client = identity(of: connection)
        let rule: String
        if let endpoint {
            guard let policy = endpoint.policy,
                case .denied(let by) = policy.verdict(on: request, from: client.rawValue, port: connection.serverPort)
            else { return true }
            rule = by
        } else {
            rule = "no endpoint of this node"
        }
        events.report(
            RawEventRecord(
                deniedRequestFrom: connection.client, connection.clientPort, to: connection.server,
                connection.serverPort, source: client, destination: endpoint?.identity ?? .unknown,
                endpointID: endpoint?.id ?? 0, rule: rules.number(of: rule),
                monotonicNanoseconds: UInt64(MonotonicTime.now.nanoseconds)))
        return false
    }

    /// As the datapath knew the client when it let the connection in; `unknown` when that is forgotten, for whom only rules
    /// about everybody hold.
    private func identity(of connection: ProxiedConnection) -> Identity {
        let key = ConnectionKey(
            from: connection.client, connection.clientPort, to: connection.server, connection.serverPort, protocol: 6,
            .ingress)
        return (try? connections.value(for: key))?.sourceIdentity ?? .unknown
    }
}
