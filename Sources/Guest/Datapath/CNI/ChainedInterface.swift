import CNI
import LinuxKernel
import NetAddress
import Netlink

/// What the previous plugin made of a pod. It is found through that plugin's result, and in the pod's own network
/// namespace.
struct ChainedInterface: Sendable, Equatable {
    var address: IPv4Address
    var mac: String
    /// The veth's other end on the node; nil if the pod's interface is no veth.
    var host: Host?

    struct Host: Sendable, Equatable {
        var name: String
        var index: Int
        var mac: String
    }

    /// - Throws: `CNIError` 7 if the result has no IPv4 address for the interface, 102 if the interface does not exist.
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
        // This is a card, an ipvlan or a macvlan. There is nothing on the node to attach a program to.
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

    /// Returns the first IPv4 address in the result that belongs to the pod's interface or names no interface. It is
    /// pure.
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
