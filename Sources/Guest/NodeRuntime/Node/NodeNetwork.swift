import LinuxKernel
import NetAddress
import Netlink
import NodeProtocol

/// The node's own interfaces.
enum NodeNetwork {
    /// Names, addresses and brings up the interfaces, each found by its MAC. Applying it again changes nothing.
    /// - Throws: `NodeFailure` when an interface is missing or an address unreadable; `SystemError`.
    static func apply(_ interfaces: [NodeInterface]) throws {
        let netlink = try NetlinkSocket()
        for interface in interfaces {
            guard let mac = MACAddress(interface.mac), let address = IPv4CIDR(interface.address) else {
                throw NodeFailure(
                    code: "bad-request", message: "interface \(interface.name): \(interface.mac), \(interface.address)")
            }
            let links = try netlink.links()
            guard let link = links.first(where: { $0.mac == mac && $0.kind == nil }) else {
                let seen = links.map { "\($0.name) \($0.mac?.description ?? "-")" }.joined(separator: ", ")
                throw NodeFailure(
                    code: "no-interface", message: "interface \(interface.name): no NIC has \(mac); there are: \(seen)")
            }
            let rename = link.name == interface.name ? nil : interface.name
            if rename != nil, link.isUp { try netlink.changeLink(index: link.index, LinkChange(isUp: false)) }
            try netlink.changeLink(index: link.index, LinkChange(name: rename, isUp: true, mtu: interface.mtu))
            try netlink.addAddress(address, linkIndex: link.index)
            if let gateway = interface.gateway {
                guard let hop = IPv4Address(gateway) else {
                    throw NodeFailure(code: "bad-request", message: "interface \(interface.name): gateway \(gateway)")
                }
                try netlink.replaceRoute(Route(to: .any, via: hop, linkIndex: link.index))
            }
        }
        // The node forwards between its pods and the network.
        try writeTextFile("/proc/sys/net/ipv4/ip_forward", "1")
    }
}
