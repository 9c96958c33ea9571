import NetAddress
import Readings

/// The address that the receiver must have seen as the source: `pod`, `node`, or an address.
///
/// If nothing is given, it is the sender's own address and port. An `internet` endpoint then expects the public address
/// of the sender's node, since no other address gets there.
public enum SourceExpectation: Sendable, Hashable {
    /// The sender's own address, whether it is a pod or a node.
    case pod
    /// An address of the sender's node, or its public address if the receiver is on the internet.
    case node
    /// This address, dotted.
    case address(String)

    public init?(_ text: String) {
        switch text {
        case "pod": self = .pod
        case "node": self = .node
        default:
            guard IPv4Address(text) != nil else { return nil }
            self = .address(text)
        }
    }

    public var text: String {
        switch self {
        case .pod: "pod"
        case .node: "node"
        case .address(let address): address
        }
    }
}

extension SourceExpectation: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let source = SourceExpectation(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no source: \(text)")
        }
        self = source
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

extension SourceExpectation {
    /// Returns the addresses that are right at a receiver.
    ///
    /// - Parameter addresses: The addresses of the sender's node; nil for a sender that is on no node.
    public func addresses(from: Endpoint, to: Endpoint, addresses: SenderAddresses?) -> [String] {
        switch self {
        case .pod: [from.address]
        case .node: (to.kind == .internet ? addresses?.public : addresses?.node) ?? [from.address]
        case .address(let address): [address]
        }
    }
}
