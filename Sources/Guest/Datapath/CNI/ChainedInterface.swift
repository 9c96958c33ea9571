import CNI
import LinuxKernel
import NetAddress
import Netlink

/// What the plugin before made of a pod: found by its result and in the pod's own network namespace.
struct ChainedInterface: Sendable, Equatable {
    var address: IPv4Address
    var mac: String
    /// The veth's other end on the node; nil when the pod's interface is none.
    var host: Host?

    struct Host: Sendable, Equatable {
        var name: String
        var index: Int
        var mac: String
    }

    /// - Throws: `CNIError` 7 when the result has no IPv4 address for the interface, 102 when the interface is not
    ///   there.
    static func find(
        _ interface: String, of previous: CNIResult, in namespace: borrowing NetworkNamespace,
        _ netlink: borrowing NetlinkSocket
    ) throws -> ChainedInterface {
        guard let address = address(of: interface, in: previous) else {
            throw CNIError(.invalidConfiguration, "prevResult has no IPv4 address for \(interface)")
        }
        let found = try namespace.run { try NetlinkSocket().findLink(named: interface) }
        guard let inside = found else {
            throw CNIError(.setupFailed, "the plugin before left no interface \(interface) in the pod")
        }
        // A card, an ipvlan or a macvlan: nothing on the node where a program could be.
        guard inside.kind == "veth" else {
            return ChainedInterface(address: address, mac: EndpointRecord.noMAC)
        }
        guard let peer = inside.peer, let outside = try netlink.links().first(where: { $0.index == peer }),
            outside.kind == "veth", outside.peer == inside.index
        else {
            throw CNIError(.setupFailed, "the other end of the pod's veth \(interface) is not on the node")
        }
        return ChainedInterface(
            address: address, mac: inside.mac?.description ?? "",
            host: Host(name: outside.name, index: Int(outside.index), mac: outside.mac?.description ?? ""))
    }

    /// The first IPv4 address of an interface in a pod, or of none that is named; pure.
    static func address(of interface: String, in result: CNIResult) -> IPv4Address? {
        let interfaces = result.interfaces ?? []
        for entry in result.ips ?? [] {
            guard let address = IPv4CIDR(entry.address)?.address else { continue }
            guard let index = entry.interface else { return address }
            guard interfaces.indices.contains(index) else { continue }
            if interfaces[index].name == interface, interfaces[index].sandbox != nil { return address }
        }
        return nil
    }
}
