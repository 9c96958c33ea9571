import Readings

/// A probe that says something: a DNS query, an HTTP request, or a TCP connection to an address that is no endpoint.
/// Each makes a cell of its own for every pair that it selects.
public struct ProbeRequest: Codable, Sendable, Hashable {
    public enum Question: Codable, Sendable, Hashable {
        /// Opens a connection and closes it.
        case connect
        /// Asks for the IPv4 addresses of a name. `{nonce}` in it is another text for every query, which no cache
        /// knows.
        case dns(name: String)
        /// HTTP/1.1; header names as they are sent.
        case http(method: String, path: String, headers: [String: String])
    }

    /// Who is asked: endpoints, or one address that is none.
    public enum Target: Codable, Sendable, Hashable {
        case endpoints(EndpointSelector)
        /// IPv4, dotted.
        case address(String)
    }

    /// Unique in the scenario: cells and rules carry it.
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

    /// Ordered pairs, by source, then destination.
    public func pairs(among endpoints: [Endpoint]) -> [(from: Endpoint, to: Endpoint)] {
        let targets: [Endpoint] =
            switch to {
            case .endpoints(let selector): endpoints.filter(selector.matches)
            case .address(let address):
                // One that is an endpoint's is that endpoint.
                [endpoints.first { $0.address == address } ?? .outside(address, port: port)]
            }
        return endpoints.filter(from.matches).flatMap { source in
            targets.filter { $0.id != source.id }.map { (source, $0) }
        }
    }
}

extension Endpoint {
    /// An address that nobody of the lab is known to have.
    public static func outside(_ address: String, port: UInt16) -> Endpoint {
        Endpoint(id: address, kind: .external, node: nil, namespace: nil, address: address, port: port, labels: [:])
    }
}
