import DatapathModel
import Hashing

/// An endpoint as its state file keeps it: everything that is needed to answer CNI again, and to take the endpoint over
/// after a restart.
public struct EndpointRecord: Codable, Sendable, Equatable {
    public enum Phase: String, Codable, Sendable {
        /// Address and id are taken. The kernel may hold any part of the endpoint.
        case creating
        case ready
        /// DEL was requested. The kernel may still hold any part of the endpoint.
        case disconnecting
    }

    /// 1 ... 65535, unique on this node.
    public var id: UInt16
    public var containerID: String
    /// Name of the interface in the pod, `eth0`.
    public var interface: String
    /// Path of the pod's network namespace.
    public var netns: String
    public var namespace: String
    public var name: String
    public var labels: [String: String]
    public var identity: UInt32
    /// The dotted address, a /32.
    public var address: String
    /// The name of the interface on the node: `lxc…`, or the name that another plugin gave it; empty if there is none.
    public var hostInterface: String
    /// The index of the interface on the node. It is 0 until the interface exists, and for a chained endpoint without a
    /// veth.
    public var ifindex: Int
    public var mac: String
    public var hostMAC: String
    public var phase: Phase
    /// True if another plugin of the chain made the interface and gave the address; nil means false.
    public var chained: Bool?
    /// What policies decide about. It is kept in the kernel's map, not in the file.
    public var enforcement = PolicyEnforcement()

    package init(
        id: UInt16, containerID: String, interface: String, netns: String, namespace: String, name: String,
        labels: [String: String], identity: UInt32, address: String, hostInterface: String, ifindex: Int, mac: String,
        hostMAC: String, phase: Phase, chained: Bool? = nil, enforcement: PolicyEnforcement = PolicyEnforcement()
    ) {
        self.id = id
        self.containerID = containerID
        self.interface = interface
        self.netns = netns
        self.namespace = namespace
        self.name = name
        self.labels = labels
        self.identity = identity
        self.address = address
        self.hostInterface = hostInterface
        self.ifindex = ifindex
        self.mac = mac
        self.hostMAC = hostMAC
        self.phase = phase
        self.chained = chained
        self.enforcement = enforcement
    }

    private enum CodingKeys: String, CodingKey {
        case id, containerID, interface, netns, namespace, name, labels, identity, address, hostInterface, ifindex, mac,
            hostMAC, phase, chained
    }

    public var key: AttachmentKey { AttachmentKey(containerID: containerID, interface: interface) }

    /// Says whether another plugin owns interface and address.
    public var isChained: Bool { chained ?? false }

    /// Says whether the pod's interface has no other end on the node, so that no program can be attached.
    public var isWithoutVeth: Bool { isChained && ifindex == 0 }
    static let noMAC = "00:00:00:00:00:00"

    /// Whether it is the node's own health endpoint.
    public var isHealth: Bool { containerID == Self.healthContainerID }
    public static let healthContainerID = "labrun-health"
}

/// What identifies an attachment in CNI: container id and interface name (specification, section 2).
public struct AttachmentKey: Hashable, Sendable {
    public let containerID: String
    public let interface: String

    package init(containerID: String, interface: String) {
        self.containerID = containerID
        self.interface = interface
    }
}

/// Names and addresses that follow from the endpoint's key, so that a second attempt finds what the first one made.
package enum EndpointNaming {
    /// `lxc` and 12 hexadecimal digits. These are 15 bytes, the most that the kernel allows.
    package static func hostInterface(_ key: AttachmentKey) -> String { "lxc" + hexadecimal(hash(key), digits: 12) }

    /// Says by its name whether an interface is one of ours.
    static func isHostInterface(_ name: String) -> Bool {
        name.utf8.count == 15 && name.hasPrefix("lxc")
            && name.utf8.dropFirst(3).allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// Returns a locally administered unicast address, a different one for each end.
    package static func mac(_ key: AttachmentKey, host: Bool) -> String {
        let low = hash(key) ^ (host ? 0xFF : 0)
        let octets = [0x02] + (0..<5).map { UInt8(truncatingIfNeeded: low >> (8 * UInt64($0))) }
        return octets.map { hexadecimal(UInt64($0), digits: 2) }.joined(separator: ":")
    }

    private static func hash(_ key: AttachmentKey) -> UInt64 {
        let hash = FNV1a64.hash((key.containerID + "\n" + key.interface).utf8)
        return hash ^ (hash >> 32)
    }

    private static func hexadecimal(_ value: UInt64, digits: Int) -> String {
        let text = String(value & (digits == 16 ? .max : (1 << UInt64(digits * 4)) - 1), radix: 16)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }
}
