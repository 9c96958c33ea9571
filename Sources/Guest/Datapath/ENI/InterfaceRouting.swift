import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// Routing on a node whose pods' addresses belong to several network interfaces, as in Cilium: a table for each
/// interface, and two rules for each pod. The cloud accepts a packet only from the interface that its source belongs
/// to.
enum InterfaceRouting {
    /// Packets to a pod of this node use the main table, including those from another pod of this node.
    static let priorityToPod: UInt32 = 20
    /// Packets from a pod use the table of its interface.
    static let priorityFromPod: UInt32 = 111
    private static let main: UInt32 = 254

    /// The table of an interface, by the cloud's device number: 10 and up.
    static func table(_ number: Int) -> UInt32 { 10 + UInt32(clamping: number) }

    /// Returns the rules that must exist. It is pure.
    ///
    /// - Parameters:
    ///   - addresses: Pods' addresses, with the number of their interface.
    ///   - range: The destinations for which the interfaces' tables are used; nil: all. What leaves the VPC goes by the
    ///     node's first interface, where it is masqueraded.
    static func rules(_ addresses: [IPv4Address: Int], towards range: IPv4CIDR?) -> Set<RoutingRule> {
        Set(
            addresses.flatMap { address, number in
                let host = IPv4CIDR(host: address)
                return [
                    RoutingRule(priority: priorityToPod, destination: host, table: main, origin: NodeRoutes.origin),
                    RoutingRule(
                        priority: priorityFromPod, source: host, destination: range, table: table(number),
                        origin: NodeRoutes.origin),
                ]
            })
    }

    /// Returns the routes of an interface's table: the subnet's router on the link, and everything else through it.
    static func routes(number: Int, gateway: IPv4Address, linkIndex: Int32, mtu: Int) -> [Route] {
        let table = table(number)
        return [
            Route(
                to: IPv4CIDR(host: gateway), linkIndex: linkIndex, mtu: mtu, table: table, origin: NodeRoutes.origin),
            Route(to: .any, via: gateway, linkIndex: linkIndex, mtu: mtu, table: table, origin: NodeRoutes.origin),
        ]
    }

    /// Makes the kernel have exactly these of the agent's rules. It adds missing ones before it removes superfluous
    /// ones.
    static func reconcile(_ desired: Set<RoutingRule>, _ netlink: borrowing NetlinkSocket) throws(SystemError) {
        let present = Set(try netlink.rules().filter { $0.origin == NodeRoutes.origin })
        for rule in desired.subtracting(present).sorted(by: { $0.priority < $1.priority }) {
            do throws(SystemError) {
                try netlink.addRule(rule)
            } catch {
                if error.code != EEXIST { throw error }
            }
        }
        for rule in present.subtracting(desired) {
            do throws(SystemError) {
                try netlink.deleteRule(rule)
            } catch {
                if error.code != ENOENT { throw error }
            }
        }
    }
}
