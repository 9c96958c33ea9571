import LinuxKernel
import NetAddress
import Netlink

/// An interface of the node that carries traffic to and from the outside (`devices`).
struct NodeDevice: Sendable, Hashable {
    let name: String
    let index: Int32
    /// The address that pods take when they leave by it; nil while it has none.
    let address: IPv4Address?

    /// Returns the interfaces that `devices` names, in its order. A trailing `+` matches any suffix. An empty list
    /// means only the interface of the node's address.
    ///
    /// - Parameters:
    ///   - primary: The interface of `nodeAddress`.
    ///   - addresses: Returns an interface's addresses of universe scope, the primary one first.
    ///
    /// - Throws: `DatapathError.invalidConfiguration` for a name without `+` that the node lacks.
    static func select(
        _ patterns: [String], primary: String, nodeAddress: IPv4Address, among links: [(name: String, index: Int32)],
        addresses: (Int32) -> [IPv4Address]
    ) throws(DatapathError) -> [NodeDevice] {
        var names: [String] = []
        for pattern in patterns.isEmpty ? [primary] : patterns {
            if pattern.hasSuffix("+") {
                let found = links.map(\.name).filter { !isOwn($0) && $0.hasPrefix(pattern.dropLast()) }
                names += found.sorted()
            } else if links.contains(where: { $0.name == pattern }) {
                names.append(pattern)
            } else {
                throw .invalidConfiguration("device \(pattern): no such interface on this node")
            }
        }
        var selected: [NodeDevice] = []
        for name in names where !selected.contains(where: { $0.name == name }) {
            guard let link = links.first(where: { $0.name == name }) else { continue }
            let own = addresses(link.index)
            selected.append(
                NodeDevice(
                    name: name, index: link.index, address: own.contains(nodeAddress) ? nodeAddress : own.first))
        }
        return selected
    }

    /// Says whether the interface is the agent's or a pod's. Those never lead to the outside.
    private static func isOwn(_ name: String) -> Bool {
        name == "lo" || name.hasPrefix("labrun_") || EndpointNaming.isHostInterface(name)
    }

    static func select(
        _ settings: AgentSettings, _ netlink: borrowing NetlinkSocket
    ) throws -> [NodeDevice] {
        let present = try netlink.addresses()
        return try select(
            settings.devicePatterns, primary: settings.config.device, nodeAddress: settings.nodeAddress,
            among: try netlink.links().map { ($0.name, $0.index) },
            addresses: { index in
                present.filter { $0.linkIndex == index && $0.scope == 0 }.map(\.address.address)
            })
    }
}
