import DatapathModel

/// An endpoint as the state file keeps it: all that is needed to answer CNI again and to take the endpoint over after a
/// restart.
public struct EndpointRecord: Codable, Sendable, Equatable {
    public enum Phase: String, Codable, Sendable {
        /// Address and id are taken; the kernel may hold any part of the endpoint.
        case creating
        case ready
        /// DEL was asked for; the kernel may still hold any part.
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
    /// Dotted, a /32.
    public var address: String
    /// Name of the interface on the node, `lxc…`, or what another plugin named it; empty when there is none.
    public var hostInterface: String
    /// Index of the interface on the node; 0 until it exists, and of a chained endpoint that is no veth.
    public var ifindex: Int
    public var mac: String
    public var hostMAC: String
    public var phase: Phase
    /// Another plugin of the chain made the interface and gave the address; nil: no.
    public var chained: Bool?
    /// What policies decide about; kept in the kernel's map, not in the file.
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

    /// Whether another plugin owns interface and address.
    public var isChained: Bool { chained ?? false }

    /// Whether no program can be on its way: what is in the pod has no other end on the node.
    public var isWithoutVeth: Bool { isChained && ifindex == 0 }
    static let noMAC = "00:00:00:00:00:00"

    /// Whether it is the node's own health endpoint.
    public var isHealth: Bool { containerID == Self.healthContainerID }
    public static let healthContainerID = "labrun-health"
}

/// What CNI names an attachment by (specification, section 2: container id and interface name).
public struct AttachmentKey: Hashable, Sendable {
    public let containerID: String
    public let interface: String

    package init(containerID: String, interface: String) {
        self.containerID = containerID
        self.interface = interface
    }
}

/// Names and addresses that follow from what an endpoint is, so that a second try finds what the first one made.
package enum EndpointNaming {
    /// `lxc` and 12 hexadecimal digits: 15 octets, the most that the kernel takes.
    package static func hostInterface(_ key: AttachmentKey) -> String { "lxc" + hexadecimal(hash(key), digits: 12) }

    /// Whether an interface is one of ours by its name.
    static func isHostInterface(_ name: String) -> Bool {
        name.utf8.count == 15 && name.hasPrefix("lxc")
            && name.utf8.dropFirst(3).allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// Locally administered unicast addresses, one for each end.
    package static func mac(_ key: AttachmentKey, host: Bool) -> String {
        let low = hash(key) ^ (host ? 0xFF : 0)
        let octets = [0x02] + (0..<5).map { UInt8(truncatingIfNeeded: low >> (8 * UInt64($0))) }
        return octets.map { hexadecimal(UInt64($0), digits: 2) }.joined(separator: ":")
    }

    private static func hash(_ key: AttachmentKey) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in (key.containerID + "\n" + key.interface).utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash ^ (hash >> 32)
    }

    private static func hexadecimal(_ value: UInt64, digits: Int) -> String {
        let text = String(value & (digits == 16 ? .max : (1 << UInt64(digits * 4)) - 1), radix: 16)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }
}
