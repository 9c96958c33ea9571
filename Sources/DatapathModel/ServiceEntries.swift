import CDatapathABI
import NetAddress

/// Key of `dp_services`: a frontend, and with a slot one of its backends. Laid out as the kernel has it.
public struct ServiceKey: BitwiseCopyable, Sendable {
    private var abi: dp_service_key

    /// - Parameter slot: 0: the frontend; 1 …: its backends.
    public init(_ address: IPv4Address, port: UInt16, protocol number: UInt8, slot: UInt16 = 0) {
        abi = dp_service_key(
            address: address.abi, port: port.bigEndian, slot: slot, protocol: number,
            family: AddressFamily.ipv4.rawValue, pad: (0, 0))
    }

    /// Nil when it is not an IPv4 address.
    public var address: IPv4Address? { IPv4Address(abi: abi.address, family: abi.family) }
    public var port: UInt16 { UInt16(bigEndian: abi.port) }
    public var slot: UInt16 { abi.slot }
    /// The IP protocol number.
    public var ipProtocol: UInt8 { abi.protocol }
}

/// Value of `dp_services`.
public struct ServiceEntry: BitwiseCopyable, Sendable {
    private var abi: dp_service

    /// A frontend, slot 0.
    ///
    /// - Parameters:
    ///   - backends: how many slots follow.
    ///   - reverseIndex: key of `dp_revnat`, not 0.
    ///   - affinitySeconds: how long a client stays with its backend; 0: no affinity.
    public init(backends: UInt16, reverseIndex: UInt16, affinitySeconds: UInt32 = 0) {
        abi = dp_service(
            backend: 0, affinity_seconds: affinitySeconds, count: backends, rev_nat: reverseIndex, flags: 0, pad: 0)
    }

    /// A backend of a frontend, slot 1 …
    public init(backend: UInt32) {
        abi = dp_service(backend: backend, affinity_seconds: 0, count: 0, rev_nat: 0, flags: 0, pad: 0)
    }

    public var backend: UInt32 { abi.backend }
    public var backends: UInt16 { abi.count }
    public var reverseIndex: UInt16 { abi.rev_nat }
    public var affinitySeconds: UInt32 { abi.affinity_seconds }
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
