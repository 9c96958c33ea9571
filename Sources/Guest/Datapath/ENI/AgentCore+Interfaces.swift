import AgentAPI
import CloudAPI
import LinuxKernel
import NetAddress
import Netlink

extension AgentCore {
    /// Takes over what the cloud says of the node's interfaces, whose cards are up.
    mutating func take(_ instance: CloudInstance) throws {
        let first = settings.options.eni.nodeSpec.firstInterfaceIndex
        pool.withInterfaces { $0.update(instance, firstInterface: first) }
        try reconcileInterfaceRules()
        // A card that came or went is a device of the node's: its programs, and its address among the host's.
        if try NodeDevice.select(settings, netlink) != devices.nodeDevices { try mend() }
    }

    /// The rules by which pods' packets take their interfaces' tables; nothing in other modes.
    ///
    /// - Parameter newcomer: an endpoint that is being connected.
    func reconcileInterfaceRules(newcomer: EndpointRecord? = nil) throws {
        guard let pool = pool.interfacePool else { return try InterfaceRouting.reconcile([], netlink) }
        var numbers: [IPv4Address: Int] = [:]
        let addresses = (endpoints.values.map(\.address) + [newcomer?.address].compactMap { $0 })
            .compactMap { IPv4Address($0) }
        for address in addresses + [pool.router] {
            // An address that the cloud took away keeps its pod reachable on the node, no further.
            numbers[address] = pool.interface(of: address)?.number
        }
        let range = settings.masquerade.way == .off ? nil : settings.clusterPodCIDRs.first
        var rules = InterfaceRouting.rules(numbers, towards: range)
        // The router's address is the node's own: the kernel delivers to it by its local table.
        rules = rules.filter { $0.destination != IPv4CIDR(host: pool.router) || $0.source != nil }
        try InterfaceRouting.reconcile(rules, netlink)
    }

    /// What `status` says of the cloud's interfaces; nil in other modes.
    var interfaceStatus: InterfaceStatus? {
        guard let pool = pool.interfacePool else { return nil }
        let used = pool.addressesInUse
        return InterfaceStatus(
            instanceType: settings.instance?.instanceType ?? "",
            interfaces: pool.interfaces.map { interface in
                .init(
                    id: interface.id, number: interface.number, table: Int(InterfaceRouting.table(interface.number)),
                    addressesInUse: interface.addresses.intersection(used).count,
                    addressesTotal: interface.addresses.count)
            }, limit: pool.limit, failure: pool.failure)
    }
}
