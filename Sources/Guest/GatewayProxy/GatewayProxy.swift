public import GatewayRoutes
import HTTPWire
import NIOCore
import NIOHTTP1
public import NetAddress
public import PortListeners
import Synchronization

/// The node's proxy for gateways: takes HTTP/1.1 requests at node ports of gateways' Services, and passes each on to a
/// pod of the backend that the gateway's table names.
///
/// Requests that two readers could understand differently are answered by 400. Each request has a connection of its own
/// to its pod, under the node's address; the caller's is in `X-Forwarded-For`.
public final class GatewayProxy: Sendable {
    /// What a node port leads to.
    public struct Port: Sendable, Hashable {
        /// The port of the gateway's Service.
        public var listener: UInt16
        public var table: GatewayTable
        public init(listener: UInt16, table: GatewayTable) {
            self.listener = listener
            self.table = table
        }
    }

    /// A pod's address and port.
    public struct Endpoint: Sendable, Hashable {
        public var address: IPv4Address
        public var port: UInt16
        public init(address: IPv4Address, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    /// All that the proxy knows.
    public struct Configuration: Sendable, Hashable {
        /// By node port.
        public var ports: [UInt16: Port]
        /// By backend (`GatewayTable.Backend.key`).
        public var endpoints: [String: [Endpoint]]
        public init(ports: [UInt16: Port] = [:], endpoints: [String: [Endpoint]] = [:]) {
            self.ports = ports
            self.endpoints = endpoints
        }
    }

    final class Knowledge: Sendable {
        private let configuration = Mutex(Configuration())
        func set(_ new: Configuration) { configuration.withLock { $0 = new } }
        func port(_ port: UInt16) -> Port? { configuration.withLock { $0.ports[port] } }
        func endpoint(of backend: GatewayTable.Backend) -> Endpoint? {
            configuration.withLock { $0.endpoints[backend.key] }?.randomElement()
        }
    }

    private let knowledge = Knowledge()
    private let listeners: PortListeners

    private static let mostConnections = 1024

    /// - Parameter host: The address at which it listens; all of the node's.
    public init(host: String = "0.0.0.0", told: @escaping @Sendable (PortListeners.Notice) -> Void) {
        listeners = PortListeners(host: host, limit: Self.mostConnections, told: told) { [knowledge] channel, port in
            try GatewayClient.install(on: channel, port: port, knowledge)
        }
    }

    /// Sets what is served from now on. It does not wait: a port is open a moment later.
    public func serve(_ configuration: Configuration) {
        knowledge.set(configuration)
        listeners.listen(at: Set(configuration.ports.keys))
    }

    /// The node ports that are open.
    public var ports: Set<UInt16> { listeners.ports }

    /// Ends all connections.
    public func stop() { listeners.stop() }
}
