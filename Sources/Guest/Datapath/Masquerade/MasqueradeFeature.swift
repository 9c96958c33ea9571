import AgentAPI
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

/// Gives packets of pods that leave the cluster the node's address, by BPF programs or by an nf_tables table.
final class MasqueradeFeature: DatapathFeature {
    let name = "masquerade"
    /// The fill level of the map of masqueraded flows at the last collection; nil before the first.
    var gauge: MapGauge?

    /// Brings maps and nf_tables in line with the options. Flows whose translation does not change continue.
    func configure(_ core: inout AgentCore) throws {
        let settings = core.settings
        let plan = settings.masquerade
        try core.programs.nat.reconcile(exclusions: plan.exclusions)
        try core.programs.nat.configure(plan, podMTU: core.devices.routeMTU)
        if plan.way != .bpf { try core.programs.nat.forget() }
        try core.programs.reconcile(core.devices.nodeDevices)
        let others = core.cluster.nodes.compactMap { IPv4Address($0.address) }.filter { $0 != settings.nodeAddress }
        // Pods with addresses of the VPC have no range of their own. The node's own address is not masqueraded.
        let pods =
            core.pool.interfacePool == nil ? settings.podCIDR : settings.clusterPodCIDRs.first ?? settings.podCIDR
        let table = plan.table(
            pods: pods, clusters: settings.clusterPodCIDRs, node: settings.nodeAddress, others: others)
        if let table {
            try table.install()
        } else if try MasqueradeTable.remove(MasqueradePlan.tableName) {
            Log.info("masquerade by nf_tables removed")
        }
    }

    /// The table mentions the other nodes, towards which pods keep their addresses.
    func nodesChanged(_ core: inout AgentCore) throws {
        if core.settings.masquerade.way == .netfilter { try configure(&core) }
    }

    /// Reports node devices that came, went or changed their address, and a missing table. Programs are checked
    /// elsewhere.
    func problems(_ core: borrowing AgentCore) throws -> [String] {
        var problems: [String] = []
        let present = try NodeDevice.select(core.settings, core.netlink)
        if present != core.devices.nodeDevices {
            problems.append("node devices are now \(present.map(\.name).joined(separator: ", "))")
        }
        if core.settings.masquerade.way == .netfilter, try !MasqueradeTable.isPresent(MasqueradePlan.tableName) {
            problems.append("table \(MasqueradePlan.tableName) is missing")
        }
        return problems
    }

    func describe(_ core: borrowing AgentCore, in status: inout AgentStatus) {
        if let gauge { status.maps = (status.maps ?? []) + [gauge] }
        status.masquerading = core.settings.masquerade.summary(
            devices: core.devices.nodeDevices, clusters: core.settings.clusterPodCIDRs)
    }
}

extension AgentCore {
    /// The addresses of the node and its pods. A masqueraded flow from any other address has lost its sender.
    var insideAddresses: Set<IPv4Address> {
        Set(
            [settings.nodeAddress, router] + devices.nodeDevices.compactMap(\.address)
                + endpoints.values.compactMap { IPv4Address($0.address) })
    }
}

extension Agent {
    /// Removes masqueraded flows that have ended. It walks the map without the agent's lock.
    func collectFlows() {
        do {
            let inside = try withCore { core in core.insideAddresses }
            let nat = try NATMaps.open(pins: BPFFilesystem.pins)
            let gauge = try nat.collect(inside: inside)
            try withCore { core in core.features.masquerade.gauge = gauge }
        } catch {
            Log.warning("cannot collect masqueraded flows", ["error": "\(error)"])
        }
    }
}
