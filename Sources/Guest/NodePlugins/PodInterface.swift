import CNI
import LinuxKernel
import NetAddress
import Netlink

/// An interface in a pod's network namespace.
struct PodInterface {
    let path: String
    let name: String

    init(_ environment: CNIEnvironment) {
        path = environment.netns
        name = environment.interface
    }

    /// Opens the pod's network namespace.
    /// - Throws: `CNIError` 4 when there is none.
    func namespace() throws -> NetworkNamespace {
        do throws(SystemError) {
            return try NetworkNamespace(path: path)
        } catch {
            throw CNIError(.invalidEnvironment, "CNI_NETNS does not exist", details: "\(error)")
        }
    }

    /// Gives the interface its name, address and way out, and brings it up.
    ///
    /// - Parameters:
    ///   - mac: The hardware address by which the interface is found.
    ///   - isOnLink: Whether the gateway is on the link although no prefix covers it.
    /// - Returns: The interface's hardware address.
    func configure(
        mac: String? = nil, mtu: Int? = nil, _ address: IPv4CIDR, gateway: IPv4Address, isOnLink: Bool
    ) throws -> String {
        let wanted = name
        return try namespace().run {
            let netlink = try NetlinkSocket()
            try netlink.setUp("lo")
            let found = try netlink.links().first { link in
                mac.map { link.mac?.description == $0 } ?? (link.name == wanted)
            }
            guard let link = found else {
                throw CNIError(.setupFailed, "\(wanted) is missing in the pod", details: mac ?? "")
            }
            if link.name != wanted { try netlink.changeLink(index: link.index, LinkChange(name: wanted)) }
            try netlink.addAddress(address, linkIndex: link.index)
            try netlink.changeLink(index: link.index, LinkChange(isUp: true, mtu: mtu))
            if isOnLink { try netlink.replaceRoute(Route(to: IPv4CIDR(host: gateway), linkIndex: link.index)) }
            try netlink.replaceRoute(Route(to: .any, via: gateway, linkIndex: link.index))
            return link.mac?.description ?? ""
        }
    }

    /// What is wrong with the interface; nil when it is up and has the addresses.
    func problem(_ addresses: [String]) throws -> String? {
        let name = name
        return try namespace().run {
            let netlink = try NetlinkSocket()
            guard let link = try netlink.findLink(named: name) else { return "\(name) is missing" }
            guard link.isUp else { return "\(name) is down" }
            let present = try netlink.addresses(linkIndex: link.index).map(\.address.description)
            return addresses.first { !present.contains($0) }.map { "\(name) lacks \($0)" }
        }
    }
}
