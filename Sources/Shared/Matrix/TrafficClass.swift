/// A class of cells with the same fate: who sends, and to whom. Places are relative to the sender's node.
public struct TrafficClass: Sendable, Hashable, CustomStringConvertible {
    public enum Sender: String, Sendable, CaseIterable { case pod, node }
    public enum Place: String, Sendable, CaseIterable {
        case sameNode = "same-node"
        case otherNode = "other-node"
    }
    /// The kind of a service's address that is called.
    public enum Front: Sendable, Hashable, CaseIterable, CustomStringConvertible {
        case clusterIP
        /// The port of the node at that place.
        case nodePort(Place)

        public static let allCases: [Front] = [.clusterIP, .nodePort(.sameNode), .nodePort(.otherNode)]
        public var description: String {
            switch self {
            case .clusterIP: "cluster-ip"
            case .nodePort(let place): "node-port of \(place.rawValue)"
            }
        }
    }
    /// The place of the service's only backend.
    public enum Backend: Sendable, Hashable, CustomStringConvertible {
        case pod(Place)
        /// The backend is the pod that sends.
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

    /// All classes that exist. A node is never a service's backend, and does not send to itself.
    public static let all: [TrafficClass] = Sender.allCases.flatMap { sender -> [TrafficClass] in
        let backends = Place.allCases.map { Backend.pod($0) } + (sender == .pod ? [.itself] : [])
        let receivers: [Receiver] =
            Place.allCases.map { .pod($0) } + (sender == .pod ? [.node(.sameNode)] : []) + [.node(.otherNode)]
            + Front.allCases.flatMap { front in backends.map { .service(front, $0) } }
            + [.vpcHost, .vpcDNS, .internet]
        return receivers.map { TrafficClass(sender, $0) }
    }
}

/// The expected fate of a class of cells.
public struct TrafficExpectation: Sendable, Hashable {
    public enum Result: Sendable, Hashable {
        case open
        /// A policy drops it, and a drop event must name the rule.
        case denied(PolicyDirection)
        /// It arrives where nobody listens, and the node says so.
        case refused
        /// It is lost outside of the datapath, because the VPC does not carry the source or knows no route.
        case lost
    }
    /// The policy that drops: the sender's for egress, the receiver's for ingress.
    public enum PolicyDirection: String, Sendable, Hashable { case egress, ingress }
    /// The address that the receiver must see.
    public enum Source: Sendable, Hashable {
        /// The sending pod's own.
        case pod
        /// The address of the sender's node on its underlay device or, on the internet, its public address.
        case node
        /// The address of the node's device in the pods' range.
        case router
    }
    public let result: Result
    /// Nil unless it is open, or if it depends on more than the class.
    public let source: Source?
    /// The reason in one sentence.
    public let reason: String
}
