import CloudAPI
import LinuxKernel
import NetAddress
import Netlink

/// The cards of the cloud's network interfaces in the node. They are found by their hardware address, brought up, and
/// given routes.
enum InterfaceLinks {
    /// Brings the card of every attached interface up. The first interface is the node's own and has its address
    /// already.
    ///
    /// - Returns: The ids of interfaces whose card is not in the node yet.
    static func prepare(_ instance: CloudInstance, _ netlink: borrowing NetlinkSocket) throws -> [String] {
        let links = try netlink.links()
        let first = instance.interfaces.first { $0.deviceIndex == 0 }
        let mtu = links.first { $0.mac?.description == first?.mac }?.mtu
        var missing: [String] = []
        for interface in instance.interfaces {
            guard let number = interface.deviceIndex, let gateway = IPv4Address(interface.gateway),
                let primary = IPv4Address(interface.primaryAddress)
            else { throw DatapathError.kernel("interface \(interface.id): the cloud gave a malformed address") }
            guard let link = links.first(where: { $0.mac?.description == interface.mac }) else {
                missing.append(interface.id)
                continue
            }
            if number > 0 {
                if let mtu, link.mtu != mtu { try netlink.changeLink(index: link.index, LinkChange(mtu: mtu)) }
                // A /32 is used, because an on-link route of the subnet would compete with that of the first interface.
                let address = IPv4CIDR(host: primary)
                if try !netlink.addresses(linkIndex: link.index).map(\.address).contains(address) {
                    try netlink.addAddress(address, linkIndex: link.index)
                }
                try Sysctl.set("net/ipv4/conf/\(link.name)/rp_filter", "0")
                if !link.isUp {
                    try netlink.setUp(link.name)
                    Log.info(
                        "network interface up",
                        ["interface": interface.id, "device": link.name, "address": interface.primaryAddress])
                }
            }
            let present = try netlink.routes(table: InterfaceRouting.table(number))
            let desired = InterfaceRouting.routes(
                number: number, gateway: gateway, linkIndex: link.index, mtu: mtu ?? link.mtu)
            for route in desired where !present.contains(route) { try netlink.replaceRoute(route) }
        }
        return missing
    }
}
