import Readings

/// A probe with content: a DNS query, an HTTP request, or a TCP connection to an address that may be no endpoint. Each
/// gives a cell for every pair that it selects.
public struct ProbeRequest: Codable, Sendable, Hashable {
    public enum Question: Codable, Sendable, Hashable {
        /// Opens a connection and closes it.
        case connect
        /// Asks for the IPv4 addresses of a name. `{nonce}` in the name is replaced by a different text for every
        /// query, so that no cache knows it.
        case dns(name: String)
        /// An HTTP/1.1 request. The names of the headers are sent as they are written.
        case http(method: String, path: String, headers: [String: String])
    }

    /// The target: endpoints, or a single address.
    public enum Target: Codable, Sendable, Hashable {
        case endpoints(EndpointSelector)
        /// IPv4, dotted.
        case address(String)
    }

    /// Unique in the scenario. Cells and rules refer to it.
    public var name: String
    public var from: EndpointSelector
    public var to: Target
    /// Destination port.
    public var port: UInt16
    public var question: Question

    public init(name: String, from: EndpointSelector, to: Target, port: UInt16, question: Question) {
        self.name = name
        self.from = from
        self.to = to
        self.port = port
        self.question = question
    }

    public var `protocol`: ProbeProtocol {
        switch question {
        case .connect: .tcp
        case .dns: .dns
        case .http: .http
        }
    }

    /// Returns ordered pairs, sorted by source, then by destination.
    public func pairs(among endpoints: [Endpoint]) -> [(from: Endpoint, to: Endpoint)] {
        let targets: [Endpoint] =
            switch to {
            case .endpoints(let selector): endpoints.filter(selector.matches)
            case .address(let address):
                // If the address belongs to an endpoint, the target is that endpoint.
                [endpoints.first { $0.address == address } ?? .outside(address, port: port)]
            }
        return endpoints.filter(from.matches).flatMap { source in
            targets.filter { $0.id != source.id }.map { (source, $0) }
        }
    }
}

extension Endpoint {
    /// Returns an endpoint for an address that nothing in the lab is known to have.
    public static func outside(_ address: String, port: UInt16) -> Endpoint {
        Endpoint(id: address, kind: .external, node: nil, namespace: nil, address: address, port: port, labels: [:])
    }
}
