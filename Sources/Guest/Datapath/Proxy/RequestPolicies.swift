import BPF
import DatapathModel
import LinuxKernel
import NetAddress
import Policy
import RequestProxy
import Synchronization

/// Answers the proxies' questions: the policies of the node's endpoints, and the identities of a connection's ends.
final class RequestPolicies: Sendable {
    /// An endpoint of the node. A connection that goes through a proxy stays there when policies change.
    struct Endpoint: Sendable {
        let id: UInt16
        let identity: Identity
        /// What policies say of the requests that come to the endpoint, and of those that it sends. It is nil if they
        /// say nothing.
        var policies: [PolicyDirection: RequestPolicy] = [:]
    }

    private let endpoints = Mutex<[IPv4Address: Endpoint]>([:])
    private let connections: Map<ConnectionKey, ConnectionEntry>
    private let otherConnections: Map<ConnectionKey, ConnectionEntry>
    private let ipcache: Map<IPCacheKey, IPCacheValue>

    init(pins: String) throws(SystemError) {
        connections = try Map(pinnedAt: "\(pins)/\(MapName.tcpConnections)")
        otherConnections = try Map(pinnedAt: "\(pins)/\(MapName.otherConnections)")
        ipcache = try Map(pinnedAt: "\(pins)/\(MapName.ipcache)")
    }

    func replace(_ policies: [IPv4Address: Endpoint]) { endpoints.withLock { $0 = policies } }

    func endpoint(at address: IPv4Address) -> Endpoint? { endpoints.withLock { $0[address] } }

    /// Says whether an HTTP request may pass, and reports it if not.
    ///
    /// - Parameter direction: The direction, seen from the endpoint whose policy is asked.
    func allows(
        _ request: RequestFacts, _ connection: ProxiedConnection, _ direction: PolicyDirection, _ rules: RuleNames,
        _ events: EventLog
    ) -> Bool {
        judge(connection, direction, .tcp, .policyDeniedRequest, rules, events) { policy, peer in
            policy.verdict(on: request, peer: peer.rawValue, port: connection.serverPort)
        }
    }

    /// Says whether an endpoint may ask for a name, and reports the query if not.
    func allows(
        name: String, _ connection: ProxiedConnection, _ transport: PortProtocol, _ rules: RuleNames,
        _ events: EventLog
    ) -> Bool {
        judge(connection, .egress, transport, .policyDeniedName, rules, events) { policy, peer in
            policy.verdict(onName: name, peer: peer.rawValue, port: connection.serverPort, of: transport)
        }
    }

    private func judge(
        _ connection: ProxiedConnection, _ direction: PolicyDirection, _ transport: PortProtocol, _ reason: Reason,
        _ rules: RuleNames, _ events: EventLog, _ verdict: (RequestPolicy, Identity) -> RequestPolicy.Verdict
    ) -> Bool {
        let endpoint = endpoint(at: direction == .ingress ? connection.server : connection.client)
        let peer = direction == .ingress ? identity(ofClient: connection) : identity(of: connection.server)
        let rule: String
        if let endpoint {
            guard let policy = endpoint.policies[direction], case .denied(let by) = verdict(policy, peer) else {
                return true
            }
            rule = by
        } else {
            rule = "no endpoint of this node"
        }
        let own = endpoint?.identity ?? .unknown
        events.report(
            RawEventRecord(
                deniedRequestFrom: connection.client, connection.clientPort, to: connection.server,
                connection.serverPort, protocol: transport == .udp ? 17 : 6, reason,
                direction == .ingress ? .ingress : .egress, source: direction == .ingress ? peer : own,
                destination: direction == .ingress ? own : peer, endpointID: endpoint?.id ?? 0,
                rule: rules.number(of: rule),
                monotonicNanoseconds: UInt64(MonotonicTime.now.nanoseconds)))
        return false
    }

    /// Returns the client's identity at the time when the datapath let the connection in. If that is no longer known,
    /// it is `unknown`, to which only rules about everybody apply.
    private func identity(ofClient connection: ProxiedConnection) -> Identity {
        let key = ConnectionKey(
            from: connection.client, connection.clientPort, to: connection.server, connection.serverPort, protocol: 6,
            .ingress)
        return (try? connections.value(for: key))?.sourceIdentity ?? .unknown
    }

    /// Returns the identity that the programs give a destination.
    private func identity(of address: IPv4Address) -> Identity {
        (try? ipcache.value(for: IPCacheKey(IPv4CIDR(host: address))))?.identity ?? .world
    }

    // MARK: Connections of the proxies to servers

    /// Enters a connection that a proxy is about to open under an endpoint's address, so that its answers go to the
    /// proxy.
    ///
    /// - Parameter port: The port on which the proxy listens.
    func enter(_ connection: ProxiedConnection, _ number: UInt8, port: UInt16) throws(SystemError) {
        let key = Self.key(connection, number)
        if number == 6 {
            try connections.update(entry(connection, .opening, [.proxy], ConnectionLifetime.opening, port), for: key)
        } else {
            try otherConnections.update(
                entry(connection, .opening, [.proxy], ConnectionLifetime.others, port), for: key)
        }
    }

    /// Notes that the proxy has closed the connection. Late packets of a TCP connection are still expected for a while.
    func leave(_ connection: ProxiedConnection, _ number: UInt8, port: UInt16) {
        let key = Self.key(connection, number)
        do throws(SystemError) {
            guard number == 6 else {
                try otherConnections.removeValue(for: key)
                return
            }
            let closed = entry(
                connection, .closed, [.proxy, .replied, .finForward], ConnectionLifetime.closed, port)
            try connections.update(closed, for: key)
        } catch {
            Log.warning("a connection of the proxy stays in conntrack", ["error": "\(error)"])
        }
    }

    private func entry(
        _ connection: ProxiedConnection, _ state: ConnectionState, _ flags: ConnectionEntry.Flags, _ lifetime: UInt32,
        _ port: UInt16
    ) -> ConnectionEntry {
        ConnectionEntry(
            state: state, flags: flags, expires: UInt32(clamping: Conntrack.now()) + lifetime,
            sourceIdentity: endpoint(at: connection.client)?.identity ?? .unknown, proxyPort: port)
    }

    private static func key(_ connection: ProxiedConnection, _ number: UInt8) -> ConnectionKey {
        ConnectionKey(
            from: connection.client, connection.clientPort, to: connection.server, connection.serverPort,
            protocol: number, .egress)
    }
}
