import KubeObjects
import LinuxKernel
import NetAddress
import Netlink

/// Egress rates of pods, from the annotation `kubernetes.io/egress-bandwidth`. Programs give packets their departure
/// times, and the fq discipline of the node's devices holds them until then.
final class BandwidthFeature: DatapathFeature {
    let name = "bandwidth"
    let kinds: Set<ObjectKind> = [.pods]

    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws {
        let refused = try reconcile(core)
        guard refused.isEmpty else { throw DatapathError.invalidConfiguration(refused.joined(separator: "; ")) }
    }

    func connect(_ newcomer: EndpointRecord, _ core: inout AgentCore) throws {
        for reason in try reconcile(core, newcomer: newcomer) { Log.warning(reason) }
    }

    func disconnect(_ core: inout AgentCore) throws { _ = try reconcile(core) }

    /// Installs fq on every node device, or puts the kernel's default discipline back.
    func configure(_ core: inout AgentCore) throws {
        for device in core.devices.nodeDevices {
            let root = try core.netlink.rootQdiscKind(linkIndex: device.index)
            if core.settings.options.bandwidthManager.enabled {
                guard root != "fq", root != "netem" else { continue }
                try core.netlink.replaceFairQueue(linkIndex: device.index)
                Log.info("fq holds paced packets", ["device": device.name])
            } else if try core.netlink.hasOwnFairQueue(linkIndex: device.index) {
                try core.netlink.deleteRootQdisc(linkIndex: device.index)
            }
        }
    }

    /// Reports node devices without fq. A device whose fq a fault has replaced by a netem is left alone.
    func problems(_ core: borrowing AgentCore) throws -> [String] {
        guard core.settings.options.bandwidthManager.enabled else { return [] }
        var problems: [String] = []
        for device in core.devices.nodeDevices {
            let root = try core.netlink.rootQdiscKind(linkIndex: device.index)
            if root != "fq", root != "netem" { problems.append("\(device.name) has no fq") }
        }
        return problems
    }

    /// Brings the map in line with the annotations of the node's pods.
    ///
    /// - Parameter newcomer: An endpoint that is not in the table yet.
    ///
    /// - Returns: A sentence for each annotation that cannot be followed.
    private func reconcile(_ core: borrowing AgentCore, newcomer: EndpointRecord? = nil) throws -> [String] {
        guard core.settings.options.bandwidthManager.enabled else {
            try core.programs.bandwidth.reconcile([:])
            return []
        }
        var refused: [String] = []
        var wanted: [IPv4Address: EgressRate] = [:]
        for endpoint in Array(core.endpoints.values) + (newcomer.map { [$0] } ?? []) {
            let key = ObjectKey(namespace: endpoint.namespace, name: endpoint.name)
            guard let pod = core.objects.pods[key], let address = IPv4Address(endpoint.address) else { continue }
            if pod.metadata.annotations[EgressRate.ingressAnnotation] != nil {
                refused.append("pod \(key): \(EgressRate.ingressAnnotation): only egress has a rate")
            }
            guard let text = pod.metadata.annotations[EgressRate.annotation] else { continue }
            if let rate = EgressRate(quantity: text) {
                wanted[address] = rate
            } else {
                refused.append(
                    "pod \(key): \(EgressRate.annotation): \"\(text)\" is no rate from 1k to 1P bits per second")
            }
        }
        try core.programs.bandwidth.reconcile(wanted)
        return refused.sorted()
    }
}
