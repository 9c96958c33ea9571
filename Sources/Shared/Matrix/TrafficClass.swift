/// Who sends, and to whom: classes of cells that fare alike. Places are relative to the sender's node.
public struct TrafficClass: Sendable, Hashable, CustomStringConvertible {
    public enum Sender: String, Sendable, CaseIterable { case pod, node }
    public enum Place: String, Sendable, CaseIterable {
        case sameNode = "same-node"
        case otherNode = "other-node"
    }
    /// Which of a service's addresses is called.
    public enum Front: Sendable, Hashable, CaseIterable, CustomStringConvertible {
        case clusterIP
        /// Of the node there.
        case nodePort(Place)

        public static let allCases: [Front] = [.clusterIP, .nodePort(.sameNode), .nodePort(.otherNode)]
        public var description: String {
            switch self {
            case .clusterIP: "cluster-ip"
            case .nodePort(let place): "node-port of \(place.rawValue)"
            }
        }
    }
    /// Where the service's only backend is.
    public enum Backend: Sendable, Hashable, CustomStringConvertible {
        case pod(Place)
        /// The pod that sends.
        case itself

        public var description: String {
            switch self {
            case .pod(let place): "pod on \(place.rawValue)"
            case .itself: "itself"
            }
        }
    }
    public enum Receiver: Sendable, Hashable, CustomStringConvertible {
        case pod(Place)
        case node(Place)
        case service(Front, Backend)
        case vpcHost, vpcDNS, internet

        public var description: String {
            switch self {
            case .pod(let place): "pod on \(place.rawValue)"
            case .node(let place): "node, \(place.rawValue)"
            case .service(let front, let backend): "\(front) of \(backend)"
            case .vpcHost: "vpc-host"
            case .vpcDNS: "vpc-dns"
            case .internet: "internet"
            }
        }
    }

    public let from: Sender
    public let to: Receiver

    public init(_ from: Sender, _ to: Receiver) {
        self.from = from
        self.to = to
    }

    public var description: String { "\(from.rawValue) → \(to)" }

    /// All that exist: a node is not behind a service, and does not send to itself.
    public static let all: [TrafficClass] = Sender.allCases.flatMap { sender -> [TrafficClass] in
        let backends = Place.allCases.map { Backend.pod($0) } + (sender == .pod ? [.itself] : [])
        let receivers: [Receiver] =
            Place.allCases.map { .pod($0) } + (sender == .pod ? [.node(.sameNode)] : []) + [.node(.otherNode)]
            + Front.allCases.flatMap { front in backends.map { .service(front, $0) } }
            + [.vpcHost, .vpcDNS, .internet]
        return receivers.map { TrafficClass(sender, $0) }
    }
}

/// How a class of cells must fare.
public struct TrafficExpectation: Sendable, Hashable {
    public enum Result: Sendable, Hashable {
        case open
        /// Dropped by a policy; a drop event must say so, with the rule.
        case denied(PolicyDirection)
        /// Nobody listens where it arrives, and the node says so.
        case refused
        /// Lost outside of the datapath: the VPC does not carry the source, or knows no way.
        case lost
    }
    /// Whose policy drops: the sender's on the way out, or the receiver's on the way in.
    public enum PolicyDirection: String, Sendable, Hashable { case egress, ingress }
    /// Whose address the receiver must see.
    public enum Source: Sendable, Hashable {
        /// The sending pod's own.
        case pod
        /// The sender's node's, by its underlay device; its public one on the internet.
        case node
        /// That of the node's device in the pods' range.
        case router
    }
    public let result: Result
    /// Nil unless it is open, and where it depends on more than the class.
    public let source: Source?
    /// Why, one sentence.
    public let reason: String
}
