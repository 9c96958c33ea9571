import CDatapathABI
import NetAddress

/// Key of `dp_services`: a frontend, and with a slot one of its backends. Laid out as the kernel has it.
public struct ServiceKey: BitwiseCopyable, Sendable {
    private var abi: dp_service_key

    /// - Parameter slot: 0: the frontend; 1 …: its backends.
    public init(
        _ address: IPv4Address, port: UInt16, protocol number: UInt8, scope: ServiceScope = .everybody, slot: UInt16 = 0
    ) {
        abi = dp_service_key(
            address: address.abi, port: port.bigEndian, slot: slot, protocol: number,
            family: AddressFamily.ipv4.rawValue, scope: scope.rawValue, pad: 0)
    }

    /// Nil when it is not an IPv4 address.
    public var address: IPv4Address? { IPv4Address(abi: abi.address, family: abi.family) }
    public var port: UInt16 { UInt16(bigEndian: abi.port) }
    public var slot: UInt16 { abi.slot }
    /// The IP protocol number.
    public var ipProtocol: UInt8 { abi.protocol }
    /// Nil for a number that this build does not know.
    public var scope: ServiceScope? { ServiceScope(rawValue: abi.scope) }
}

/// Says for which callers the backends of a frontend are.
public enum ServiceScope: UInt8, Sendable, Hashable, Comparable {
    /// The backends serve all callers. If the frontend also has the scope `outside`, they serve only callers from
    /// within the cluster.
    case everybody = 0
    /// Callers from outside of the cluster, who reach the node's own backends only (`externalTrafficPolicy: Local`).
    case outside = 1

    public static func < (left: ServiceScope, right: ServiceScope) -> Bool { left.rawValue < right.rawValue }
}

/// Value of `dp_services`.
public struct ServiceEntry: BitwiseCopyable, Sendable {
    private var abi: dp_service

    /// A frontend, slot 0.
    ///
    /// - Parameters:
    ///   - backends: how many slots follow.
    ///   - reverseIndex: key of `dp_revnat`, not 0.
    ///   - affinitySeconds: How long a client stays with its backend, or 0 if there is no affinity.
    ///   - maglevSize: The number of entries of its table in `dp_maglev`, or 0 if it has none.
    public init(
        backends: UInt16, reverseIndex: UInt16, affinitySeconds: UInt32 = 0, flags: Flags = [], maglevSize: UInt32 = 0
    ) {
        abi = dp_service(
            backend: maglevSize, affinity_seconds: affinitySeconds, count: backends, rev_nat: reverseIndex,
            flags: flags.rawValue, pad: 0)
    }

    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// It is called from outside of the cluster too.
        public static let outside = Flags(rawValue: UInt16(DP_SERVICE_OUTSIDE))
        /// Calls from outside have other backends, those of `ServiceScope.outside`.
        public static let scopes = Flags(rawValue: UInt16(DP_SERVICE_SCOPES))
        /// What backends of other nodes answer goes directly to the caller.
        public static let direct = Flags(rawValue: UInt16(DP_SERVICE_DIRECT))
    }

    /// A backend of a frontend, slot 1 …
    public init(backend: UInt32) {
        abi = dp_service(backend: backend, affinity_seconds: 0, count: 0, rev_nat: 0, flags: 0, pad: 0)
    }

    /// The backend's number, in slots from 1 on.
    public var backend: UInt32 { abi.backend }
    /// The number of entries of the frontend's Maglev table, in slot 0.
    public var maglevSize: UInt32 { abi.backend }
    public var backends: UInt16 { abi.count }
    public var reverseIndex: UInt16 { abi.rev_nat }
    public var affinitySeconds: UInt32 { abi.affinity_seconds }
    public var flags: Flags { Flags(rawValue: abi.flags) }
}

/// Value of `dp_backends`, whose key is a number (`UInt32`) that the agent gives.
public struct BackendEntry: BitwiseCopyable, Sendable {
    private var abi: dp_backend

    /// - Parameter isActive: takes new connections.
    public init(_ address: IPv4Address, port: UInt16, protocol number: UInt8, isActive: Bool) {
        abi = dp_backend(
            address: address.abi, port: port.bigEndian, protocol: number, family: AddressFamily.ipv4.rawValue,
            flags: isActive ? UInt8(DP_BACKEND_ACTIVE) : 0, pad: (0, 0, 0))
    }

    /// Nil when it is not an IPv4 address.
    public var address: IPv4Address? { IPv4Address(abi: abi.address, family: abi.family) }
    public var port: UInt16 { UInt16(bigEndian: abi.port) }
    /// The IP protocol number.
    public var ipProtocol: UInt8 { abi.protocol }
    public var isActive: Bool { abi.flags & UInt8(DP_BACKEND_ACTIVE) != 0 }
}

/// Value of `dp_revnat`, whose key is an index (`UInt32`, 1 … 65535): the frontend that replies come from.
public struct ReverseEntry: BitwiseCopyable, Sendable {
    private var abi: dp_revnat

    public init(_ address: IPv4Address, port: UInt16) {
        abi = dp_revnat(address: address.abi, port: port.bigEndian, family: AddressFamily.ipv4.rawValue, pad: 0)
    }

    /// Nil when it is not an IPv4 address.
    public var address: IPv4Address? { IPv4Address(abi: abi.address, family: abi.family) }
    public var port: UInt16 { UInt16(bigEndian: abi.port) }
}

/// Key of `dp_maglev`: part of a frontend's table.
public struct MaglevKey: BitwiseCopyable, Sendable {
    private var abi: dp_maglev_key

    public init(reverseIndex: UInt16, part: UInt16) { abi = dp_maglev_key(rev_nat: reverseIndex, part: part) }

    public var reverseIndex: UInt16 { abi.rev_nat }
    public var part: UInt16 { abi.part }
}

/// Value of `dp_maglev`: numbers of backends.
public struct MaglevPart: BitwiseCopyable, Sendable {
    private var abi: dp_maglev_part

    /// Entries in one part.
    public static let entries = Int(DP_MAGLEV_PART)

    /// - Parameter backends: at most `entries`; what is missing is 0, no backend.
    public init(_ backends: some Collection<UInt32>) {
        abi = dp_maglev_part()
        withUnsafeMutableBytes(of: &abi) { bytes in
            for (index, number) in backends.prefix(Self.entries).enumerated() {
                bytes.storeBytes(of: number, toByteOffset: index * 4, as: UInt32.self)
            }
        }
    }

    public var backends: [UInt32] {
        withUnsafeBytes(of: abi) { bytes in
            (0..<Self.entries).map { bytes.load(fromByteOffset: $0 * 4, as: UInt32.self) }
        }
    }
}

/// Key of `dp_affinity`: a client of a frontend.
public struct AffinityKey: BitwiseCopyable, Sendable {
    private var abi: dp_affinity_key

    public init(client: IPv4Address, reverseIndex: UInt16) {
        abi = dp_affinity_key(
            client: client.abi, rev_nat: UInt32(reverseIndex), family: AddressFamily.ipv4.rawValue, pad: (0, 0, 0))
    }

    public var reverseIndex: UInt32 { abi.rev_nat }
}

/// Value of `dp_affinity`.
public struct AffinityEntry: BitwiseCopyable, Sendable {
    private var abi: dp_affinity

    /// - Parameter expires: `CLOCK_MONOTONIC` in whole seconds.
    public init(backend: UInt32, expires: UInt32) {
        abi = dp_affinity(backend: backend, expires: expires)
    }

    public var backend: UInt32 { abi.backend }
    public var expires: UInt32 { abi.expires }
}

extension IPv4Address {
    /// Source of an endpoint that calls itself through a service: 169.254.42.1.
    public static let serviceLoopback = IPv4Address(networkByteOrder: UInt32(DP_LOOPBACK_IPV4))
}
