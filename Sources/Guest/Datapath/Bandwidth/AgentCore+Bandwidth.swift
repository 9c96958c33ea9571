import KubeObjects
import LinuxKernel
import NetAddress
import Netlink

extension ObjectConsumer {
    /// Annotations of pods → the egress rates of endpoints.
    static let bandwidth = ObjectConsumer(name: "bandwidth", kinds: [.pods]) { core, _ in
        let refused = try core.reconcileBandwidth()
        guard refused.isEmpty else { throw DatapathError.invalidConfiguration(refused.joined(separator: "; ")) }
    }
}

extension AgentCore {
    /// Makes the map say what the annotations of the node's pods ask for.
    ///
    /// - Parameter newcomer: an endpoint that is not in the table yet.
    /// - Returns: annotations that cannot be followed, a sentence each.
    func reconcileBandwidth(newcomer: EndpointRecord? = nil) throws -> [String] {
        guard settings.options.bandwidthManager.enabled else {
            try programs.bandwidth.reconcile([:])
            return []
        }
        var refused: [String] = []
        var wanted: [IPv4Address: EgressRate] = [:]
        for endpoint in Array(endpoints.values) + (newcomer.map { [$0] } ?? []) {
            let key = ObjectKey(namespace: endpoint.namespace, name: endpoint.name)
            guard let pod = objects.pods[key], let address = IPv4Address(endpoint.address) else { continue }
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
        try programs.bandwidth.reconcile(wanted)
        return refused.sorted()
    }

    /// Has fq hold the packets of every node device until they may leave, or puts the kernel's default back.
    func configureBandwidth() throws {
        for device in devices.nodeDevices {
            let root = try netlink.rootQdiscKind(linkIndex: device.index)
            if settings.options.bandwidthManager.enabled {
                guard root != "fq", root != "netem" else { continue }
                try netlink.replaceFairQueue(linkIndex: device.index)
                Log.info("fq holds paced packets", ["device": device.name])
            } else if try netlink.hasOwnFairQueue(linkIndex: device.index) {
                try netlink.deleteRootQdisc(linkIndex: device.index)
            }
        }
    }

    /// Node devices without the discipline that paces; one that a fault has taken the place of is left alone.
    func bandwidthProblems() throws -> [String] {
        guard settings.options.bandwidthManager.enabled else { return [] }
        return try devices.nodeDevices.compactMap { device in
            let root = try netlink.rootQdiscKind(linkIndex: device.index)
            return root == "fq" || root == "netem" ? nil : "\(device.name) has no fq"
        }
    }
}
