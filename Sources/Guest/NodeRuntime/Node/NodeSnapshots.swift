import CNodeShim
import Glibc
import LinuxKernel
import NetAddress
import Netlink
import NodeProtocol

enum NodeSnapshots {
    /// The places of an interface where filters can hang: clsact's two hooks (`TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`
    /// of linux/pkt_sched.h) and the root.
    private static let hooks: [(name: String, parent: UInt32)] = [
        ("ingress", 0xFFFF_FFF2), ("egress", 0xFFFF_FFF3), ("root", 0xFFFF_FFFF),
    ]

    /// Reads the state that a fault may leave changed. Everything is sorted, so that two readings of the same state are
    /// equal.
    static func take(
        pods: [PodStatus], conflists: ConflistDirectory?, agentRunning: Bool
    ) throws -> NodeSnapshot {
        let netlink = try NetlinkSocket()
        let links = try netlink.links()
        let names = Dictionary(links.map { ($0.index, $0.name) }) { first, _ in first }
        func name(_ index: Int32) -> String { names[index] ?? "?" }
        var filters: [String] = []
        for link in links {
            for hook in hooks {
                filters += try filterLines(link.index, hook.parent).map { "\(link.name) \(hook.name) \($0)" }
            }
        }
        return NodeSnapshot(
            links: links.map { line($0, name) }.sorted(),
            addresses: try netlink.addresses().map { "\(name($0.linkIndex)) \($0.address)" }.sorted(),
            routes: try netlink.routes().map { line($0, name) }.sorted(),
            qdiscs: try netlink.qdiscs().map { line($0, name) }.sorted(),
            filters: filters.sorted(),
            conflists: conflists?.files ?? [],
            pods: pods.map { "\($0.namespace)/\($0.name) \($0.address ?? "-") \($0.phase)" }.sorted(),
            agentRunning: agentRunning)
    }

    private static func line(_ link: Link, _ name: (Int32) -> String) -> String {
        let master = link.master.map { " master \(name($0))" } ?? ""
        return "\(link.name) \(link.kind ?? "device") \(link.mac?.description ?? "-") mtu \(link.mtu)"
            + " \(link.isUp ? "up" : "down")\(link.isRunning ? " running" : "")\(master)"
    }

    private static func line(_ route: Route, _ name: (Int32) -> String) -> String {
        let gateway = route.gateway.map { " via \($0)" } ?? ""
        let source = route.source.map { " src \($0)" } ?? ""
        let mtu = route.mtu.map { " mtu \($0)" } ?? ""
        return "\(route.destination)\(gateway) dev \(name(route.linkIndex))\(source)\(mtu) metric \(route.priority)"
    }

    private static func line(_ qdisc: Qdisc, _ name: (Int32) -> String) -> String {
        "\(name(qdisc.linkIndex)) \(RootQdisc(qdisc))"
    }

    private static func filterLines(_ index: Int32, _ parent: UInt32) throws(SystemError) -> [String] {
        var length = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, filled in
            length = buffer.withMemoryRebound(to: CChar.self) { text in
                node_tc_filters(index, parent, text.baseAddress, text.count)
            }
            filled = max(0, length)
        }
        guard length >= 0 else { throw .last("RTM_GETTFILTER", "interface \(index)") }
        // The kernel prints a program as `from_netdev:[22]`. The number is left out: it changes with every replacement.
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            let name = line.prefix { $0 != "[" }
            return String(name.hasSuffix(":") ? name.dropLast() : name)
        }
    }
}
