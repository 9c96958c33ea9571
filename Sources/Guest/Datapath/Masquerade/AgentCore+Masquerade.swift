import AgentAPI
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

extension AgentCore {
    /// Makes maps and nf_tables say what the options ask for; flows that are translated in the same way go on.
    func configureMasquerade() throws {
        let plan = settings.masquerade
        try programs.nat.reconcile(exclusions: plan.exclusions)
        try programs.nat.configure(plan, podMTU: devices.routeMTU)
        if plan.way != .bpf { try programs.nat.forget() }
        try programs.reconcile(devices.nodeDevices)
        let others = cluster.nodes.compactMap { IPv4Address($0.address) }.filter { $0 != settings.nodeAddress }
        // Pods among the VPC's addresses have no range of their own; the node's own address stays as it is.
        let pods = pool.interfacePool == nil ? settings.podCIDR : settings.clusterPodCIDRs.first ?? settings.podCIDR
        let table = plan.table(
            pods: pods, clusters: settings.clusterPodCIDRs, node: settings.nodeAddress, others: others)
        if let table {
            try table.install()
        } else if try MasqueradeTable.remove(MasqueradePlan.tableName) {
            Log.info("masquerade by nf_tables removed")
        }
    }

    /// What is not as the options say, besides programs: devices that came, went or changed their address, the table.
    func masqueradeProblems() throws -> [String] {
        var problems: [String] = []
        let present = try NodeDevice.select(settings, netlink)
        if present != devices.nodeDevices {
            problems.append("node devices are now \(present.map(\.name).joined(separator: ", "))")
        }
        if settings.masquerade.way == .netfilter, try !MasqueradeTable.isPresent(MasqueradePlan.tableName) {
            problems.append("table \(MasqueradePlan.tableName) is missing")
        }
        return problems
    }

    /// The node's and its pods' addresses: flows of others have lost their end.
    var insideAddresses: Set<IPv4Address> {
        Set(
            [settings.nodeAddress, router] + devices.nodeDevices.compactMap(\.address)
                + endpoints.values.compactMap { IPv4Address($0.address) })
    }
}

extension Agent {
    /// Removes masqueraded flows that are over. The map is walked without the agent's lock.
    func collectFlows() {
        do {
            let inside = try withCore { core in core.insideAddresses }
            let nat = try NATMaps.open(pins: BPFFilesystem.pins)
            let gauge = try nat.collect(inside: inside)
            try withCore { core in core.natGauge = gauge }
        } catch {
            Log.warning("cannot collect masqueraded flows", ["error": "\(error)"])
        }
    }
}
