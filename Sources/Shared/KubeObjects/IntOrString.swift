import Shapes

/// `intstr.IntOrString`: a port's number or its name. CiliumNetworkPolicy writes numbers as texts.
public enum IntOrString: FieldValue, CustomStringConvertible {
    case integer(Int)
    case text(String)

    public static var shape: Shape { .portOrName }

    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> IntOrString {
        source.isAtString ? .text(try source.string()) : .integer(try source.integer())
    }

    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let number = try? value.decode(Int.self) {
            self = .integer(number)
        } else {
            self = .text(try value.decode(String.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .integer(let number): try value.encode(number)
        case .text(let text): try value.encode(text)
        }
    }

    /// The number, written either way; nil for a name.
    public var number: Int? {
        switch self {
        case .integer(let number): number
        case .text(let text): Int(text)
        }
    }

    /// A port's number; nil for a name, and for a number that is no port.
    public var port: UInt16? { number.flatMap { UInt16(exactly: $0) } }

    /// A port's name; nil for a number.
    public var name: String? { number == nil ? description : nil }

    public var description: String {
        switch self {
        case .integer(let number): "\(number)"
        case .text(let text): text
        }
    }
}

/// `corev1.Protocol`, and CiliumNetworkPolicy's `ANY`.
public enum TransportProtocol: String, FieldWord {
    case tcp = "TCP"
    case udp = "UDP"
    case sctp = "SCTP"
    case any = "ANY"

    /// Manifests may name the protocols that probes use.
    public static var shape: Shape { .choice([tcp.rawValue, udp.rawValue]) }
}
