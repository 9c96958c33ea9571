import AgentAPI
import CloudAPI
import LinuxKernel
import NetAddress
import Netlink

/// Pods with addresses of the cloud's network interfaces (`ipam.mode: eni`): a pod's packets leave by the interface
/// that its address belongs to. Other modes have no such rules.
final class InterfacesFeature: DatapathFeature {
    let name = "interfaces"

    /// The rules that lead pods' packets to their interfaces' tables.
    func route(newcomer: EndpointRecord?, _ core: inout AgentCore) throws {
        guard let pool = core.pool.interfacePool else { return try InterfaceRouting.reconcile([], core.netlink) }
        var numbers: [IPv4Address: Int] = [:]
        let addresses = (core.endpoints.values.map(\.address) + [newcomer?.address].compactMap { $0 })
            .compactMap { IPv4Address($0) }
        for address in addresses + [pool.router] {
            // A pod whose address the cloud took away can only be reached on its own node.
            numbers[address] = pool.interface(of: address)?.number
        }
        let range = core.settings.masquerade.way == .off ? nil : core.settings.clusterPodCIDRs.first
        var rules = InterfaceRouting.rules(numbers, towards: range)
        // The router's address is the node's own, and the kernel delivers to it through its local table.
        rules = rules.filter { $0.destination != IPv4CIDR(host: pool.router) || $0.source != nil }
        try InterfaceRouting.reconcile(rules, core.netlink)
    }

    func describe(_ core: borrowing AgentCore, in status: inout AgentStatus) {
        guard let pool = core.pool.interfacePool else { return }
        let used = pool.addressesInUse
        status.cloudInterfaces = InterfaceStatus(
            instanceType: core.settings.instance?.instanceType ?? "",
            interfaces: pool.interfaces.map { interface in
                .init(
                    id: interface.id, number: interface.number, table: Int(InterfaceRouting.table(interface.number)),
                    addressesInUse: interface.addresses.intersection(used).count,
                    addressesTotal: interface.addresses.count)
            }, limit: pool.limit, failure: pool.failure)
    }
}

extension AgentCore {
    /// Takes over the cloud's answer about the node's interfaces, once their cards are up.
    mutating func take(_ instance: CloudInstance) throws {
        let first = settings.options.eni.nodeSpec.firstInterfaceIndex
        pool.withInterfaces { $0.update(instance, firstInterface: first) }
        try routeFeatures(newcomer: nil)
        // A card that came or went is a node device: it needs programs, and its address is one of the host's.
        if try NodeDevice.select(settings, netlink) != devices.nodeDevices { try mend() }
    }

    mutating func routeFeatures(newcomer: EndpointRecord?) throws {
        for feature in features.all { try feature.route(newcomer: newcomer, &self) }
    }
}
